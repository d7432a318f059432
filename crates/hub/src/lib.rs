//! Fetches checkpoints: hub ids, archives, the cache.
