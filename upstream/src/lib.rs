//! Reads a distribution's download server: indexes, signatures, tarballs.
