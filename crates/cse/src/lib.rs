//! The registrar CSE: one file per operation, decisions pure, effects at the edge.
