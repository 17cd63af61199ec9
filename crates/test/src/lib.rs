//! Unpublished: what macadam's tests share.
