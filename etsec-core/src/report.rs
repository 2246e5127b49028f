//! Logging of the control path, to `log`, to `defmt`, to both or to nobody.
//!
//! The crate `defmt-or-log` refuses both at once, and features of this crate only add; hence these
//! few lines. Format strings keep to what both understand: `{}` and `{:?}`. The data path logs
//! nothing.

/// Something an operator may want to know.
macro_rules! info {
    ($format:literal $(, $value:expr)* $(,)?) => {
        $crate::report::say!(info, $format $(, $value)*)
    };
}

/// Something that should not happen and was dealt with.
macro_rules! warning {
    ($format:literal $(, $value:expr)* $(,)?) => {
        $crate::report::say!(warn, $format $(, $value)*)
    };
}

macro_rules! say {
    ($level:ident, $format:literal $(, $value:expr)*) => {{
        #[cfg(feature = "log")]
        log::$level!($format $(, $value)*);
        #[cfg(feature = "defmt")]
        defmt::$level!($format $(, $value)*);
        // The same values are used with every set of features: none of them is called unused.
        let _ = ($(&$value,)*);
    }};
}

pub(crate) use {info, say, warning};
