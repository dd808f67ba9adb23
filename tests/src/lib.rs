//! Harness for a real control plane and a real cluster, fixtures and scenario suites.
