//! A JSON object in the making.

use std::ops::Range;

use super::value::{self, Value};

/// The most members of one object.
pub(super) const MEMBERS: usize = 64;
/// The most bytes after which one more is begun.
const BYTES: usize = 64 * 1024;

/// Members of a JSON object, each after a comma: `,"a":1,"b":2`. No two have the same name.
#[derive(Debug, Default)]
pub(super) struct Object {
    text: String,
    /// In the order of the text.
    members: Vec<Member>,
    /// How many found no room.
    left_out: u64,
}

#[derive(Debug)]
struct Member {
    name: &'static str,
    /// It stands under `field.` and its name, which was taken.
    is_moved: bool,
    value: Range<usize>,
}

impl Object {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The value of this name, as JSON.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let member = self.members.iter().find(|member| member.is(name, false))?;
        Some(&self.text[member.value.clone()])
    }

    /// Adds a member. Where one of its name has another value, it is `field.` and its name.
    pub(super) fn add(&mut self, name: &'static str, value: Value<'_>) {
        let is_moved = self.members.iter().any(|member| member.is(name, false));
        let is_taken = is_moved && self.members.iter().any(|member| member.is(name, true));
        if is_taken || !self.has_room() {
            self.left_out += 1;
            return;
        }
        let start = self.text.len();
        self.push(name, is_moved, |out| value.write(name, out));
        let is_said =
            is_moved && self.get(name) == self.members.last().map(|member| &self.text[member.value.clone()]);
        if is_said {
            self.members.pop();
            self.text.truncate(start);
        }
    }

    /// Adds a member whose value is JSON already, if there is none of its name.
    pub(super) fn add_json(&mut self, name: &'static str, json: &str) {
        if self.members.iter().any(|member| member.is(name, false)) {
            return;
        }
        if self.has_room() {
            self.push(name, false, |out| out.push_str(json));
        } else {
            self.left_out += 1;
        }
    }

    /// Adds the members of another whose names are free.
    pub(super) fn join(&mut self, other: &Self) {
        for member in &other.members {
            self.add_json(member.name, &other.text[member.value.clone()]);
        }
        self.left_out += other.left_out;
    }

    /// Sets a member, whatever it was before.
    pub(super) fn set(&mut self, name: &'static str, value: Value<'_>) {
        let Some(index) = self.members.iter().position(|member| member.is(name, false)) else {
            return self.add(name, value);
        };
        let mut json = String::new();
        value.write(name, &mut json);
        let before = self.members[index].value.clone();
        self.text.replace_range(before.clone(), &json);
        self.members[index].value.end = before.start + json.len();
        for Member { value, .. } in &mut self.members[index + 1..] {
            *value = value.start + json.len() - before.len()..value.end + json.len() - before.len();
        }
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// As new, but for the memory that it has, unless that is much.
    pub(super) fn clear(&mut self) {
        if self.text.capacity() > BYTES {
            *self = Self::default();
        }
        self.text.clear();
        self.members.clear();
        self.left_out = 0;
    }

    fn has_room(&self) -> bool {
        self.members.len() < MEMBERS && self.text.len() < BYTES
    }

    fn push(&mut self, name: &'static str, is_moved: bool, value: impl FnOnce(&mut String)) {
        self.text.push_str(if is_moved { ",\"field." } else { ",\"" });
        value::escaped(name.strip_prefix("r#").unwrap_or(name), &mut self.text);
        self.text.push_str("\":");
        let start = self.text.len();
        value(&mut self.text);
        self.members.push(Member { name, is_moved, value: start..self.text.len() });
    }
}

impl Member {
    fn is(&self, name: &str, is_moved: bool) -> bool {
        self.is_moved == is_moved && self.name == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(object: &Object) -> serde_json::Value {
        let text = format!("{{{}}}", object.text().trim_start_matches(','));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn a_name_that_is_taken_is_moved_once_and_not_repeated() {
        let mut object = Object::default();
        object.add("target", Value::Text("orders"));
        object.add("target", Value::Text("orders"));
        assert_eq!(object.text(), r#","target":"orders""#);
        object.add("target", Value::Text("stock"));
        object.add("target", Value::Text("shelf"));
        assert_eq!(object.text(), r#","target":"orders","field.target":"stock""#);
        assert_eq!(object.left_out(), 1);
    }

    #[test]
    fn what_is_set_again_has_its_last_value_and_leaves_the_others_theirs() {
        let mut object = Object::default();
        for name in ["a", "b", "c"] {
            object.set(name, Value::Text(name));
        }
        for value in [1000, 1, 22] {
            object.set("b", Value::Unsigned(value));
            assert_eq!((object.get("b"), object.get("c")), (Some(&*value.to_string()), Some("\"c\"")));
        }
        assert_eq!(object.text(), r#","a":"a","b":22,"c":"c""#);
    }

    #[test]
    fn what_joins_gives_way() {
        let (mut inner, mut outer) = (Object::default(), Object::default());
        inner.add("a", Value::Unsigned(1));
        outer.add("a", Value::Unsigned(2));
        outer.add("b", Value::Unsigned(3));
        inner.join(&outer);
        assert_eq!(inner.text(), r#","a":1,"b":3"#);
    }

    #[test]
    fn it_has_so_many_members_and_not_one_more() {
        let names: Vec<&'static str> = (0..MEMBERS + 1).map(|n| &*n.to_string().leak()).collect();
        let mut object = Object::default();
        for (count, name) in names.iter().enumerate() {
            assert_eq!(object.left_out(), 0, "{count}");
            object.add(name, Value::Bool(true));
        }
        assert_eq!(object.left_out(), 1);
        assert_eq!(read(&object).as_object().unwrap().len(), MEMBERS);
    }
}
