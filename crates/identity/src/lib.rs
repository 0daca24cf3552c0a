//! What a handshake proved, which identity it stands for, and whether an originator may speak.
