//! One test for each fault that an attack, a trial by new users or a review has found. The name of a test begins with
//! the fault's id (`s3_...`, `x_h6_...`, `m11_...`, `a5_...`); each failed on the tree that had the fault.

mod confirm;
mod library;
mod live;
mod log;
mod named_files;
mod names_and_sizes;
mod placing;
mod policy;
mod staged;
mod store_policy;
mod trust;
