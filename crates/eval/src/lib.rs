//! Classification metrics with intervals.
