//! What a pod left in the artifact store.

use std::fs;

use asu_core::result::BuildResult;

use super::pod::Pod;

impl Pod {
    /// The committed result: the final one, or that of the attempt.
    pub(crate) fn result(&self) -> BuildResult {
        let plan = &self.plan;
        let final_one = self.path(&format!("store/results/{}.json", plan.uid));
        let attempt = self.path(&format!("store/results/{}.{}.json", plan.uid, plan.attempt));
        let file = if final_one.exists() { final_one } else { attempt };
        let bytes = fs::read(&file).expect("a committed result");
        BuildResult::read(&bytes, &plan.uid, &plan.request_hash).expect("a good result")
    }

    pub(crate) fn is_final(&self) -> bool {
        self.path(&format!("store/results/{}.json", self.plan.uid)).exists()
    }

    /// Text of the stored log.
    pub(crate) fn log(&self) -> String {
        let plan = &self.plan;
        let name = if self.is_final() {
            format!("store/logs/{}.zst", plan.uid)
        } else {
            format!("store/logs/{}.{}.zst", plan.uid, plan.attempt)
        };
        let bytes = fs::read(self.path(&name)).expect("a stored log");
        let text = zstd::decode_all(bytes.as_slice()).expect("zstd");
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Every file of the store, by its path.
    pub(crate) fn stored(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("store")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder of the store") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let below = path.strip_prefix(self.path("store")).expect("below the store");
                    found.push(below.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        found
    }
}
