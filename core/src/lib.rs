//! The domain of an Attended Sysupgrade Server as pure functions over plain values.
