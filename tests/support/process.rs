//! A node in a process of its own: what other tests of this binary count is not in its metrics.

use crate::support::client::Client;
use crate::support::node::TestNode;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const SERVE: [&str; 3] = ["serve", "--rate-limits", "off"];

/// A node in a process of its own.
pub struct Process {
    pub child: Child,
    pub public: Client,
    pub operator: Client,
}

impl Process {
    /// Starts it with more settings.
    pub async fn start(node: &TestNode, more: &[(&str, &str)]) -> Self {
        let mut command = node.binary(&SERVE);
        command.envs(more.to_vec());
        Self::run(command).await
    }

    /// Starts another binary.
    pub async fn start_program(node: &TestNode, program: &std::path::Path) -> Self {
        Self::run(node.program(program, &SERVE)).await
    }

    async fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut urls = Vec::new();
        for start in ["listening on ", "operations on "] {
            let line = lines.next_line().await.unwrap().expect("the node starts");
            urls.push(line.strip_prefix(start).expect("an address").to_owned());
        }
        let [public, operator] = [0, 1].map(|number| Client::new(urls[number].clone(), None));
        Self { child, public, operator }
    }

    /// The value of a metric with its labels, as a line of the page begins.
    pub async fn value(&self, series: &str) -> Option<f64> {
        let page = self.operator.get("/metrics").await.body;
        let lines = page.as_str().unwrap().lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        values.next().map(|value| value.parse().unwrap())
    }
}
