//! Import, export and public benchmarks on the Data screen.
