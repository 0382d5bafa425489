//! A server with what scripts need, declared prod, and the proxy in front.

use super::support::proxy::PROD;
use super::support::{Cluster, Major, Proxy};

pub struct Ground {
    pub cluster: Cluster,
    pub proxy: Proxy,
}

impl Ground {
    pub fn new(major: Major, setup: &str) -> Ground {
        let cluster = Cluster::builder().major(major).start();
        cluster.sql("app", &format!("SET ROLE app; {setup}"));
        let proxy =
            Proxy::builder().upstream("prod", PROD, &cluster).trusted("prod", "prod", "").start();
        Ground { cluster, proxy }
    }
}
