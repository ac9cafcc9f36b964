//! Trust: what is remembered about keys of contacts and issuers, and what a deviation from it means.
