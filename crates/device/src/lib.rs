//! Entity A: attach to a registrar and send requests.
