//! Behaviour of the library and the command, from the outside.

mod cli;
mod cli_edges;
mod corpus;
mod corruption;
mod crash;
mod deferred;
mod disk;
mod events;
mod events_cli;
mod events_speed;
mod faults;
mod golden;
mod group;
mod history;
mod kills;
mod live;
mod log_faults;
mod many;
mod messages;
mod model;
mod oracle;
mod power_cut;
mod processes;
mod render;
mod stress;
mod transactions;
