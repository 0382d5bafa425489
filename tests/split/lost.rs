//! A leg that is lost, or cannot be reached.
