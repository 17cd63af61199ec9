//! One trustworthy request id per request, everywhere it can be seen.
