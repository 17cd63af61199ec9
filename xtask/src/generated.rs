//! Files in the tree that a chore writes: written by it, and compared with what it would write.

use std::fs;
use std::path::Path;

use crate::Result;

pub(crate) struct Generated {
    /// What writes them, as it is typed.
    pub(crate) chore: &'static str,
    /// Path and text of each.
    pub(crate) files: Vec<(String, String)>,
}

impl Generated {
    /// Writes all of them, or with `check` none.
    ///
    /// # Errors
    /// Where one cannot be written, or is not current when it is only checked.
    pub(crate) fn run(&self, check: bool) -> Result {
        if check { self.check() } else { self.write() }
    }

    fn write(&self) -> Result {
        for (path, text) in &self.files {
            if let Some(folder) = Path::new(path).parent() {
                fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            }
            fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
            println!("wrote {path}");
        }
        Ok(())
    }

    /// Whether the files in the tree are those that would be written now.
    ///
    /// # Errors
    /// Where one is not, with the first line that differs.
    pub(crate) fn check(&self) -> Result {
        let cure = format!("`{}` writes it", self.chore);
        for (path, text) in &self.files {
            let current =
                fs::read_to_string(path).map_err(|error| format!("{path}: {error}; cure: {cure}"))?;
            if let Some(line) = first_difference(&current, text) {
                return Err(format!("{path}:{line}: not what the code says; cure: {cure}").into());
            }
        }
        Ok(())
    }
}

/// The first line, counted from 1, that is not the same in both.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left.split('\n').zip(right.split('\n')).take_while(|(left, right)| left == right).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some(3));
    }
}
