//! What the proxy tells about itself: metrics, health endpoints, the service manager.

mod counters;
mod exposition;
mod health;
mod metrics;
mod notify;
mod process;

pub use counters::{CacheResult, Direction, SessionGuard, UpstreamMetrics, Verdict, WorkerMetrics};
pub use health::{HealthServer, Readiness};
pub use metrics::Metrics;
pub use notify::Notifier;
