//! The files of a folder don't import each other in a circle: two files that need each other are
//! one thing, or both need a third. The `mod.rs` of a folder stands above its files, so importing
//! it makes no circle. A name that it exports again counts as an import of its file.

use crate::imports::{self, module_of};
use crate::{Fault, Source};
use std::collections::{BTreeMap, BTreeSet};

/// For each file or folder of one folder, the others that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The rule for the folders of `src` is the table of imports, which has circles on purpose.
const HAS_A_TABLE: &str = "src/";

pub(crate) fn check(sources: &[Source]) -> Vec<Fault> {
    let handed_on = handed_on(sources);
    let mut folders: BTreeMap<String, Imports> = BTreeMap::new();
    for source in sources.iter().filter(|source| !is_test(&source.path)) {
        let Some((crate_root, _)) = source.path.split_once("src/") else { continue };
        let crate_root = format!("{crate_root}src/");
        let module = module_of(&source.path);
        for path in imports::of(source) {
            let Some(path) = path.strip_prefix(&["crate".to_owned()]) else { continue };
            let shared = path.iter().zip(&module).take_while(|(left, right)| left == right).count();
            let folder = format!("{crate_root}{}", module[..shared].join("/"));
            let (Some(from), Some(to)) = (module.get(shared), path.get(shared)) else { continue };
            let to = handed_on.get(&(folder.clone(), to.clone())).unwrap_or(to);
            if from != to && folder != HAS_A_TABLE {
                let imports = folders.entry(folder).or_default();
                imports.entry(from.clone()).or_default().insert(to.clone());
            }
        }
    }
    folders.iter().flat_map(|(folder, imports)| circles(folder, imports)).collect()
}

fn is_test(path: &str) -> bool {
    path.split(['/', '.']).any(|part| part == "tests" || part.starts_with("tests_"))
}

/// Names that a `mod.rs` takes out of its files (`pub use a::Name`), by folder and name.
fn handed_on(sources: &[Source]) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for source in sources {
        let Some(folder) = source.path.strip_suffix("/mod.rs") else { continue };
        let Ok(tree) = syn::parse_file(&source.text) else { continue };
        for item in tree.items {
            let syn::Item::Use(item) = item else { continue };
            for path in imports::names_of(&item) {
                let path = path.strip_prefix(&["self".to_owned()]).unwrap_or(&path);
                if let [file, .., name] = path {
                    found.insert((folder.to_owned(), name.clone()), file.clone());
                }
            }
        }
    }
    found
}

/// One fault for each set of files that reach each other.
fn circles(folder: &str, imports: &Imports) -> Vec<Fault> {
    let reached = |from: &String| {
        let (mut waiting, mut reached) = (vec![from], BTreeSet::new());
        while let Some(next) = waiting.pop() {
            let others = imports.get(next).into_iter().flatten();
            waiting.extend(others.filter(|other| reached.insert((*other).clone())));
        }
        reached
    };
    let all: BTreeMap<&String, BTreeSet<String>> =
        imports.keys().map(|file| (file, reached(file))).collect();
    let circle = |file: &String| -> Vec<String> {
        let back = |other: &&String| all.get(*other).is_some_and(|others| others.contains(file));
        all[file].iter().filter(back).cloned().collect()
    };
    let found: BTreeSet<Vec<String>> =
        imports.keys().map(circle).filter(|circle| !circle.is_empty()).collect();
    let fault = |circle: Vec<String>| {
        let source = Source { path: folder.to_owned(), text: String::new() };
        let what = format!("{} import each other. Move what they share.", circle.join(", "));
        Fault::new(&source, 1, what)
    };
    found.into_iter().map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(files: &[(&str, &str)]) -> usize {
        let sources = files.iter().map(|(path, text)| Source::sample(path, text));
        check(&sources.collect::<Vec<_>>()).len()
    }

    #[test]
    fn a_circle_of_files_is_found_in_every_form() {
        let there = ("src/api/a.rs", "use crate::api::b::B;");
        assert_eq!(count(&[there, ("src/api/b.rs", "use crate::domain::a::A;")]), 0);
        assert_eq!(count(&[there, ("src/api/b.rs", "use super::a::A;")]), 1);
        assert_eq!(count(&[there, ("src/api/b/mod.rs", "fn f() { crate::api::a::f() }")]), 1);
        assert_eq!(count(&[there, ("src/api/b/c.rs", "use super::super::a::A;")]), 1);
        let third = ("src/api/c.rs", "use super::a::A;");
        assert_eq!(count(&[there, ("src/api/b.rs", "use super::c::C;"), third]), 1);
        assert_eq!(count(&[there, ("src/api/b.rs", "use super::d::D;"), third]), 0);
    }

    #[test]
    fn a_circle_by_way_of_a_name_that_the_folder_hands_on_is_found() {
        let there = ("src/api/a.rs", "use super::b::B;");
        let back = ("src/api/b.rs", "use super::A;");
        assert_eq!(count(&[there, back, ("src/api/mod.rs", "pub use a::A;")]), 1);
        assert_eq!(count(&[there, back, ("src/api/mod.rs", "pub struct A;")]), 0);
    }

    #[test]
    fn a_test_may_import_what_it_tests() {
        let there = ("src/api/a.rs", "use super::b::B;");
        assert_eq!(count(&[there, ("src/api/b.rs", "mod tests { use crate::api::a::A; }")]), 0);
        assert_eq!(count(&[there, ("src/api/b/tests.rs", "use crate::api::a::A;")]), 0);
    }

    #[test]
    fn folders_of_src_have_the_table_instead() {
        let there = ("src/config.rs", "use crate::engine::Limits;");
        assert_eq!(count(&[there, ("src/engine/mod.rs", "use crate::config::Settings;")]), 0);
    }
}
