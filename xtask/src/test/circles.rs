//! Finds dependency cycles between the source files of a crate. Files in a cycle can only be understood and
//! changed together.
//!
//! A file uses another if it contains a path that begins with `crate`, `super` or `self` and leads to the
//! other's module or an item in it. Tests are ignored, because they may use everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Expr, ExprLit, ItemMod, ItemUse, Lit, Meta, UseTree,
    visit::{self, Visit},
};

use super::Error;

/// A module, as the names on its path from the crate's root.
type Module = Vec<String>;
/// The modules that each module uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// A cycle between the files below the folder `src` of a crate, as modules in the order of use; `None`
/// without a cycle.
///
/// # Errors
/// When a file cannot be read or parsed.
pub fn circle(src: &Path) -> Result<Option<Vec<String>>, Error> {
    let files = files(src)?;
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let (mut uses, mut tests) = (Uses::new(), BTreeSet::new());
    for (module, path) in &files {
        let io = |source| Error::Io { what: path.display().to_string(), source };
        let text = std::fs::read_to_string(path).map_err(io)?;
        let file = syn::parse_file(&text).map_err(|error| Error::NotRust {
            path: path.display().to_string(),
            problem: error.to_string(),
        })?;
        let mut reader = Reader::new(module, &modules);
        reader.visit_file(&file);
        tests.extend(reader.tests);
        uses.insert(module.clone(), reader.used);
    }
    uses.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    Ok(circle_in(uses).map(|circle| circle.iter().map(|module| name(module)).collect()))
}

fn name(module: &[String]) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("::") }
}

/// The source files, by module.
fn files(src: &Path) -> Result<BTreeMap<Module, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(src.to_owned(), Module::new())];
    while let Some((folder, module)) = folders.pop() {
        let io = |source| Error::Io { what: folder.display().to_string(), source };
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut own = module.clone();
            if path.is_dir() {
                own.push(stem);
                folders.push((path, own));
            } else if path.extension().is_some_and(|end| end == "rs") {
                if stem != "mod" && !(module.is_empty() && stem == "lib") {
                    own.push(stem);
                }
                found.insert(own, path);
            }
        }
    }
    Ok(found)
}

/// Collects the modules that a file uses.
struct Reader<'a> {
    file: &'a Module,
    modules: &'a BTreeSet<Module>,
    /// Present module: that of the file, or one inside it.
    here: Module,
    used: BTreeSet<Module>,
    /// Modules of this file that are compiled only for tests.
    tests: Vec<Module>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a Module, modules: &'a BTreeSet<Module>) -> Self {
        // A program's root is a file of its own beside the library's.
        let here = if file.len() == 1 && file.first().is_some_and(|file| file == "main") {
            Module::new()
        } else {
            file.clone()
        };
        Self { file, modules, here, used: BTreeSet::new(), tests: Vec::new() }
    }

    /// Records the use of a path: the file of the longest prefix of the path that is a module.
    fn path(&mut self, path: &[String]) {
        let Some((first, rest)) = path.split_first() else { return };
        let mut full = match first.as_str() {
            "crate" => Module::new(),
            "self" | "super" => self.here.clone(),
            _ => return,
        };
        if first == "super" {
            full.pop();
        }
        for part in rest {
            if part == "super" {
                full.pop();
            } else {
                full.push(part.clone());
            }
        }
        while !self.modules.contains(&full) {
            if full.pop().is_none() {
                return;
            }
        }
        if full != *self.file {
            self.used.insert(full);
        }
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let mut path = before.to_vec();
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&path, &part.tree);
            }
            UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
            UseTree::Name(leaf) => {
                path.push(leaf.ident.to_string());
                self.path(&path);
            }
            UseTree::Rename(leaf) => {
                path.push(leaf.ident.to_string());
                self.path(&path);
            }
            UseTree::Glob(_) => self.path(&path),
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let is_test = item.attrs.iter().any(is_for_tests);
        let mut module = self.here.clone();
        if item.content.is_some() {
            module.push(item.ident.to_string());
            if !is_test {
                let outer = std::mem::replace(&mut self.here, module);
                visit::visit_item_mod(self, item);
                self.here = outer;
            }
        } else if is_test {
            // The module has its own file.
            let file = item.attrs.iter().find_map(file_of);
            if file.is_some() {
                module.pop();
            }
            module.push(file.unwrap_or_else(|| item.ident.to_string()));
            self.tests.push(module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !item.attrs.iter().any(is_for_tests) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.path(&parts);
        }
        visit::visit_path(self, path);
    }
}

/// `#[cfg(test)]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list)
        if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

/// Stem of the file that `#[path = "…"]` names.
fn file_of(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { return None };
    pair.path.is_ident("path").then(|| text.value().trim_end_matches(".rs").to_owned())
}

/// A cycle, if there is one. Modules that use no remaining module are removed repeatedly; the rest contains
/// a cycle.
fn circle_in(mut uses: Uses) -> Option<Vec<Module>> {
    loop {
        let left: BTreeSet<Module> = uses.keys().cloned().collect();
        for used in uses.values_mut() {
            used.retain(|module| left.contains(module));
        }
        let before = uses.len();
        uses.retain(|_, used| !used.is_empty());
        if uses.len() == before {
            break;
        }
    }
    let mut way: Vec<Module> = vec![uses.keys().next()?.clone()];
    loop {
        let next = uses.get(way.last()?)?.iter().next()?.clone();
        if let Some(at) = way.iter().position(|module| *module == next) {
            return Some(way.split_off(at));
        }
        way.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<Vec<String>> {
        let src = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = src.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        circle(src.path()).unwrap()
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod a; mod b;");

    #[test]
    fn files_that_use_each_other_are_a_cycle() {
        let a = ("a.rs", "use crate::b::B; pub struct A;");
        let by_use = ("b.rs", "use super::a::{self, A}; pub struct B;");
        assert_eq!(found(&[ROOT, a, by_use]).unwrap(), ["a", "b"]);
        let by_path = ("b.rs", "pub struct B; fn f(_: crate::a::A) {}");
        assert_eq!(found(&[ROOT, a, by_path]).unwrap(), ["a", "b"]);
        assert_eq!(found(&[ROOT, a, ("b.rs", "pub struct B;")]), None);
    }

    #[test]
    fn a_folder_may_publish_items_of_its_files_without_a_cycle() {
        let root = ("lib.rs", "mod a; mod b;");
        let folder = ("a/mod.rs", "mod inner; pub use inner::Inner; use crate::b::B;");
        let inner = ("a/inner.rs", "pub struct Inner;");
        let back = ("b.rs", "use crate::a::Inner; pub struct B;");
        assert_eq!(found(&[root, folder, inner, back]).unwrap(), ["a", "b"]);
        let past = ("b.rs", "use crate::a::inner::Inner; pub struct B;");
        assert_eq!(found(&[root, folder, inner, past]), None);
    }

    #[test]
    fn uses_in_tests_are_ignored() {
        let a = ("a.rs", "use crate::b::B; #[cfg(test)] #[path = \"a_tests.rs\"] mod tests;");
        let tests = ("a_tests.rs", "use super::*; use crate::b::B;");
        let b = ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }");
        assert_eq!(found(&[ROOT, a, tests, b]), None);
    }
}
