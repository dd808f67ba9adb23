//! Reads the maximum image size of a device: `IMAGE_SIZE` in its definition, in the files of an
//! ImageBuilder (`target/linux/<board>/image/`). `make info` does not print it, and vendors' image
//! tools only print by how much an image exceeds it. Called by the builder for its failure message.
//!
//! The files are parsed without make, so only literal values are found: the device's own value, else
//! that of the definitions that it includes (`$(Device/…)`, `$(call Device/…)`), else that of
//! `Device/Default`.

use std::collections::BTreeMap;

/// Maximum depth of definitions that include one another; OpenWrt's have three.
const MAX_DEPTH: usize = 16;
/// Maximum number of definitions; the largest board has some 600.
const MAX_DEFINITIONS: usize = 10_000;

/// A line of a definition that determines the size.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Size(Size),
    Include(String),
}

/// A value of `IMAGE_SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Bytes(u64),
    /// An expression that only make can evaluate.
    Computed,
}

/// Definitions of devices, read from the text of one or several files.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    definitions: BTreeMap<String, Vec<Line>>,
}

impl Devices {
    /// Adds the definitions of a file. A later definition of the same device replaces an earlier one.
    pub fn read(&mut self, text: &str) {
        let mut open: Option<(String, Vec<Line>)> = None;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("define ") {
                open = is_device(name.trim()).then(|| (name.trim().to_owned(), Vec::new()));
            } else if line == "endef" {
                if let Some((name, lines)) = open.take()
                    && self.definitions.len() < MAX_DEFINITIONS
                {
                    self.definitions.insert(name, lines);
                }
            } else if let Some((_, lines)) = &mut open {
                lines.extend(parse_line(line));
            }
        }
    }

    /// Maximum size of an image of the device in bytes. `None` when no file has it as a literal value.
    pub fn image_size(&self, profile: &str) -> Option<u64> {
        let own = self.size(&format!("Device/{profile}"), 0);
        match own.or_else(|| self.size("Device/Default", 0))? {
            Size::Bytes(bytes) => Some(bytes),
            Size::Computed => None,
        }
    }

    /// The size of a definition: its last value, as in make.
    fn size(&self, definition: &str, depth: usize) -> Option<Size> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.definitions.get(definition)?.iter().rev().find_map(|line| match line {
            Line::Size(size) => Some(*size),
            Line::Include(name) => self.size(name, depth + 1),
        })
    }
}

fn is_device(name: &str) -> bool {
    name.starts_with("Device/") || name.starts_with("DeviceCommon/")
}

fn parse_line(line: &str) -> Option<Line> {
    if let Some(value) = line.strip_prefix("IMAGE_SIZE") {
        let value = value.trim_start();
        let value = value.strip_prefix(":=").or_else(|| value.strip_prefix('='))?;
        return Some(Line::Size(bytes(value.trim()).map_or(Size::Computed, Size::Bytes)));
    }
    let inner = line.strip_prefix("$(")?;
    let inner = inner.strip_prefix("call ").unwrap_or(inner).trim_start();
    let name = inner.split([')', ',']).next()?;
    is_device(name).then(|| Line::Include(name.to_owned()))
}

/// Parses `7936k`, `16m`, `8388608` or `0x800000`, like OpenWrt's `check-size`.
fn bytes(value: &str) -> Option<u64> {
    let (digits, unit) = match value.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1024),
        None => value.strip_suffix(['m', 'M']).map_or((value, 1), |digits| (digits, 1024 * 1024)),
    };
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    number.checked_mul(unit).filter(|&size| size > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMON: &str = "
define Device/Default
  IMAGE_SIZE := 1m
endef

define Device/tplink-v1
  IMAGES += factory.bin
endef

define Device/tplink-8mlzma
  $(Device/tplink-v1)
  TPLINK_FLASHLAYOUT := 8Mlzma
  IMAGE_SIZE := 7936k
endef

define Build/other
  IMAGE_SIZE := 1k
endef
";
    const BOARD: &str = "
define Device/tplink_archer-c60-v1
  $(Device/tplink-8mlzma)
  SOC := qca9561
endef
TARGET_DEVICES += tplink_archer-c60-v1

define Device/own
  $(call Device/tplink-8mlzma,x)
  IMAGE_SIZE := 0x1000
endef

define Device/computed
  IMAGE_SIZE := $$(BLOCKSIZE)
endef

define Device/silent
  SOC := x
endef

define Device/loop
  $(Device/loop)
endef
";

    fn size(profile: &str) -> Option<u64> {
        let mut devices = Devices::default();
        devices.read(COMMON);
        devices.read(BOARD);
        devices.image_size(profile)
    }

    #[test]
    fn the_size_comes_from_the_device_or_an_included_definition() {
        assert_eq!(size("tplink_archer-c60-v1"), Some(7936 * 1024));
        assert_eq!(size("own"), Some(4096));
        assert_eq!(size("silent"), Some(1024 * 1024));
    }

    #[test]
    fn a_size_that_make_computes_is_unknown() {
        assert_eq!(size("computed"), None);
        assert_eq!(size("loop"), Some(1024 * 1024));
    }

    #[test]
    fn sizes_have_the_units_of_check_size() {
        assert_eq!(bytes("16m"), Some(16 << 20));
        assert_eq!(bytes("100"), Some(100));
        for odd in ["", "k", "12 k", "-1", "0", "99999999999999999999k", "$$(x)"] {
            assert_eq!(bytes(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_files_never_panic(text in "(?s)(define Device/|endef|\\$\\(Device/|IMAGE_SIZE|.|\n){0,60}") {
            let mut devices = Devices::default();
            devices.read(&text);
            devices.image_size("a");
        }
    }
}
