//! A page of docs that a person writes but for some parts, which a chore writes between markers.

use std::fs;

use crate::Result;

pub(crate) struct Page {
    pub(crate) path: &'static str,
    /// What writes into it, as it is typed.
    pub(crate) chore: &'static str,
}

impl Page {
    /// Replaces what stands in a part.
    ///
    /// # Errors
    /// Where the page cannot be read or written, or has no such part.
    pub(crate) fn write(&self, part: &str, text: &str) -> Result {
        let path = self.path;
        let page = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let page = self.spliced(&page, part, text).ok_or_else(|| {
            let (begin, end) = self.markers(part);
            format!("{path}: there is no `{begin}` with a `{end}` after it")
        })?;
        fs::write(path, page).map_err(|error| format!("{path}: {error}"))?;
        println!("wrote {path}, {part}");
        Ok(())
    }

    /// The page with `text` between the markers of its part, or nothing if it has no such part.
    fn spliced(&self, page: &str, part: &str, text: &str) -> Option<String> {
        let (begin, end) = self.markers(part);
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
    }

    fn markers(&self, part: &str) -> (String, String) {
        let chore = self.chore;
        (format!("<!-- {part}: written by `{chore}` from here -->"), format!("<!-- {part}: to here -->"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page = Page { path: "", chore: "cargo xtask chore" };

    #[test]
    fn what_was_between_the_markers_is_replaced_and_nothing_else_is() {
        let (begin, end) = PAGE.markers("simulator");
        let page = format!("above\n{begin}\nold\n{end}\nbelow\n");
        let written = PAGE.spliced(&page, "simulator", "| new |\n").unwrap();
        assert_eq!(written, format!("above\n{begin}\n\n| new |\n\n{end}\nbelow\n"));
        assert_eq!(PAGE.spliced(&written, "simulator", "| new |\n"), Some(written), "and again the same");
    }

    #[test]
    fn a_page_without_the_markers_is_not_written() {
        let (begin, end) = PAGE.markers("simulator");
        assert_eq!(PAGE.spliced(&begin, "simulator", "new"), None);
        assert_eq!(PAGE.spliced(&format!("{begin}{end}"), "tournament", "new"), None);
    }
}
