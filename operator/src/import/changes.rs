//! Converts `transformations` to package changes.
//!
//! A transformation maps a package to nothing (dropped), a name (renamed), or several names: `true` marks the
//! default, `false` one that is only possible, and a list names the packages that make it the choice.

use asu_crds::{DistributionSpec, PackageChange, PackageChoice};
use serde_yaml::{Mapping, Value};

use super::{folder::ImportError, seed::Config, versions::Version};

/// Adds the transformations of a version.
///
/// # Errors
/// The key that cannot be understood.
pub fn add(
    spec: &mut DistributionSpec,
    version: &Version<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), ImportError> {
    for (source, value) in version.own.mapping("transformations")? {
        let mut change = PackageChange {
            source: source.to_owned(),
            target: None,
            revision: None,
            version: Some(version.name.clone()),
            mandatory: false,
            choices: Vec::new(),
        };
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::String(name) if name.is_empty() => {}
            Value::String(name) => change.target = Some(name.clone()),
            Value::Mapping(choices) => choose(&version.own, &mut change, choices, warnings)?,
            _ => {
                let message = "must be a name, nothing, or names with true, false or a list";
                return Err(version.own.error(format!("transformations.{source} {message}")));
            }
        }
        spec.package_changes.push(change);
    }
    Ok(())
}

fn choose(
    config: &Config<'_>,
    change: &mut PackageChange,
    choices: &Mapping,
    warnings: &mut Vec<String>,
) -> Result<(), ImportError> {
    let at = format!("transformations.{}", change.source);
    for (target, value) in choices {
        let Value::String(target) = target else {
            return Err(config.error(format!("{at}: {target:?} is no name of a package")));
        };
        match value {
            Value::Bool(true) => change.target = Some(target.clone()),
            Value::Bool(false) | Value::Null => {}
            Value::Sequence(with) => {
                let texts = with.iter().map(|name| match name {
                    Value::String(name) => Ok(name.clone()),
                    _ => Err(config.error(format!("{at}.{target} must list packages"))),
                });
                let with = texts.collect::<Result<_, _>>()?;
                change.choices.push(PackageChoice { target: target.clone(), with });
            }
            _ => return Err(config.error(format!("{at}.{target} must be true, false or a list"))),
        }
    }
    if change.target.is_none() {
        warnings.push(format!(
            "{}: {at} has no default (true), so {} is dropped where no choice fits",
            config.file, change.source
        ));
    }
    Ok(())
}
