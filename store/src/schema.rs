//! Checks that the schema of the database is one that this program supports. The operator and the
//! API call it at startup and while they run; it only reads.

use crate::{error::StoreError, pg::PgStore};

/// Schema version of this program: the number of its newest migration.
pub const SCHEMA_VERSION: i32 = 7;

/// How the database's schema relates to [`SCHEMA_VERSION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// The same version.
    Current,
    /// A newer version that still supports this program.
    NewerCompatible(i32),
    /// A newer version that does not support this program, which must not use it.
    TooNew(i32),
    /// An older version: the migration has not run yet.
    Older(i32),
    /// The database has no schema yet.
    Missing,
}

impl SchemaState {
    /// Whether this program may use the schema.
    pub fn fits(self) -> bool {
        matches!(self, Self::Current | Self::NewerCompatible(_))
    }

    fn of(version: i32, min_reader: i32) -> Self {
        match version.cmp(&SCHEMA_VERSION) {
            std::cmp::Ordering::Equal => Self::Current,
            std::cmp::Ordering::Less => Self::Older(version),
            std::cmp::Ordering::Greater if min_reader <= SCHEMA_VERSION => {
                Self::NewerCompatible(version)
            }
            std::cmp::Ordering::Greater => Self::TooNew(version),
        }
    }
}

impl PgStore {
    /// Reads the schema's version and compares it with [`SCHEMA_VERSION`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the database cannot be reached.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        self.bounded("schema_state", async {
            // Asked first, so that a database without migrations does not log an error.
            let exists = sqlx::query_scalar!(
                r#"select to_regclass('schema_info') is not null as "exists!""#
            )
            .fetch_one(self.pool())
            .await?;
            if !exists {
                return Ok(SchemaState::Missing);
            }
            let row = sqlx::query!("select version, min_reader from schema_info")
                .fetch_optional(self.pool())
                .await?;
            Ok(row.map_or(SchemaState::Missing, |row| SchemaState::of(row.version, row.min_reader)))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_used_if_it_supports_this_program() {
        let newer = SCHEMA_VERSION + 3;
        assert!(SchemaState::of(newer, SCHEMA_VERSION).fits());
        assert_eq!(SchemaState::of(newer, newer), SchemaState::TooNew(newer));
        assert_eq!(SchemaState::of(SCHEMA_VERSION - 1, 0), SchemaState::Older(SCHEMA_VERSION - 1));
        assert!(!SchemaState::TooNew(newer).fits() && !SchemaState::Missing.fits());
    }
}
