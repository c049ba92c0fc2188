//! Plain setters of builders, so that each field is written down once.

/// Writes setters: `text` takes a text, `name` anything that is shown as a name, `names` and `texts` any number of them, which
/// are added; `json` takes a JSON value, `value(T)` a value of that type.
macro_rules! setters {
    () => {};
    ($(#[$doc:meta])* text $name:ident => $($field:ident).+; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<String>) -> Self {
            self.$($field).+ = Some($name.into());
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* name $name:ident => $($field:ident).+; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        #[allow(clippy::needless_pass_by_value, reason = "an id and a reference to one are taken alike")]
        pub fn $name(mut self, $name: impl ToString) -> Self {
            self.$($field).+ = Some($name.to_string());
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* names $name:ident => $($field:ident).+; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl IntoIterator<Item = impl ToString>) -> Self {
            self.$($field).+.extend($name.into_iter().map(|one| one.to_string()));
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* texts $name:ident => $($field:ident).+; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.$($field).+.extend($name.into_iter().map(Into::into));
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* json $name:ident => $($field:ident).+; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: impl Into<Json>) -> Self {
            self.$($field).+ = Some($name.into());
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$doc:meta])* value($type:ty) $name:ident => $($field:ident).+; $($rest:tt)*) => {
        $(#[$doc])*
        #[must_use]
        pub const fn $name(mut self, $name: $type) -> Self {
            self.$($field).+ = Some($name);
            self
        }
        setters! { $($rest)* }
    };
}
