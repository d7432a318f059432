//! CPU maths on slices, chosen at run time per instruction set.
