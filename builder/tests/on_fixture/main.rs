//! Runs the program as pods do – same users, same folders, same commands – on the miniature
//! ImageBuilder and its download server. Needs root to change users; without it everything runs as
//! the current user.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at its first surprise")]

mod apk;
mod bench;
mod blame;
mod by_hand;
mod child;
mod confined;
mod faults;
mod generations;
mod good;
mod hostile;
mod oci_image;
mod populating;
mod settled;
