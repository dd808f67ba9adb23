//! Postgres repositories and the artifact store.
