//! Finds the keys of a version: a key for snapshots cannot sign a release.

use asu_core::discovery::channel_of;

use crate::distribution::Branch;

impl Branch {
    /// The keys of which one must have signed this version: those of its channel, or else those of the
    /// branch.
    pub fn keys_of(&self, version: &str) -> &[String] {
        let all = self.discover.iter().flat_map(|discover| &discover.channel_keys);
        let channel = channel_of(version);
        let mut own = all.filter(|keys| Some(keys.channel.into()) == channel);
        own.next().map_or(&self.keys, |own| &own.keys)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        channel_keys::{Channel, ChannelKeys},
        distribution::Discover,
        examples,
    };

    #[test]
    fn a_version_has_the_keys_of_its_channel_or_else_of_its_branch() {
        let mut branch = examples::distribution().spec.branches.remove(0);
        branch.keys = vec!["release".into()];
        let keys = vec!["snapshot".to_owned()];
        branch.discover = Some(Discover {
            channels: vec![Channel::Release, Channel::Snapshot],
            allow: vec![],
            deny: vec![],
            newest: 2,
            channel_keys: vec![ChannelKeys { channel: Channel::Snapshot, keys }],
        });
        for (version, key) in [
            ("24.10.7", "release"),
            ("24.10.0-rc1", "release"),
            ("24.10-SNAPSHOT", "snapshot"),
            ("SNAPSHOT", "snapshot"),
            ("2024.1", "release"),
        ] {
            assert_eq!(branch.keys_of(version), [key], "{version}");
        }
    }
}
