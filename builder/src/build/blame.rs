//! Finds whether a package that could not be downloaded belongs to the distribution or to the
//! request, by the feeds whose indexes list it. Used where the output does not name the feed.

use asu_core::{
    classify::Classifier,
    repositories_file::{remote_lines, url_of},
};

use super::{Build, index};
use crate::{handover::Folder, tree};

impl Build<'_> {
    /// What the output has shown, completed by what the tree and the indexes show.
    pub(super) fn classifier(&self) -> Classifier {
        let mut classifier = self.runner.log.classifier();
        if classifier.lacks_image_size()
            && let Some(bytes) = tree::image_size(&self.paths.tree(), &self.plan.request)
        {
            classifier.limit_image_size(bytes);
        }
        self.place(&mut classifier);
        classifier
    }

    /// Adds the feeds of packages for which the output does not name one.
    fn place(&self, classifier: &mut Classifier) {
        let mut packages = classifier.packages_of_unknown_feed();
        if packages.is_empty() {
            return;
        }
        let Ok(dl) = Folder::open(&self.workspace().join("dl")) else { return };
        let kind = self.marker.package_manager;
        let mut found = Vec::new();
        for line in remote_lines(&self.effective.repositories_file, kind) {
            let Some(text) = index::read(&dl, &index::file_name(line, kind)) else { continue };
            let owner = self.effective.origins.owner(url_of(line).unwrap_or_default());
            if let Some(owner) = owner {
                let listed = packages.iter().filter(|package| index::lists(&text, package, kind));
                found.extend(listed.map(|package| (package.clone(), owner.to_owned())));
            } else {
                // A package that the distribution also lists may have come from there.
                packages.retain(|package| !index::lists(&text, package, kind));
            }
        }
        found.retain(|(package, _)| packages.contains(package));
        for (package, owner) in found {
            classifier.place(package, owner);
        }
    }
}
