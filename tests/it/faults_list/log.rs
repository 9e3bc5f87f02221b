//! See `faults_list`.
