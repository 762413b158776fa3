//! `grandstand plan export`: the plan of a site, from a server or from PostgreSQL.

use super::text::readable;
use crate::config::Settings;
use crate::domain::ids::SiteId;
use crate::domain::plan::SitePlan;
use crate::plan_import::plan_as_csv;
use crate::store::Store;
use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// A large plan over a slow line takes some seconds.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// The arguments of `plan export`.
#[derive(Args)]
pub struct Export {
    /// Id of the site.
    site: Uuid,
    /// Address of the shop, such as https://tickets.example. Without it, the plan comes from
    /// PostgreSQL.
    #[arg(long)]
    url: Option<String>,
    /// Writes the seats as CSV, as the import reads it. Shapes, texts, images and outlines are not
    /// in it.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Deserialize)]
struct Reply {
    data: Option<SitePlan>,
    detail: Option<String>,
}

impl Export {
    /// The plan as text.
    pub(super) async fn run(&self) -> anyhow::Result<String> {
        let plan = match &self.url {
            Some(url) => fetch(url, self.site).await?,
            None => self.load().await?,
        };
        if self.csv { Ok(plan_as_csv(&plan)) } else { readable(&plan) }
    }

    async fn load(&self) -> anyhow::Result<SitePlan> {
        let store = Store::new(&self.settings.database_url, 1)?;
        let id = SiteId(self.site);
        let (sites, _) = store.catalog(id.partition()).await?;
        let site = sites.into_iter().find(|site| site.id == id);
        Ok(site.with_context(|| format!("PostgreSQL has no site {}", self.site))?.plan)
    }
}

async fn fetch(url: &str, id: Uuid) -> anyhow::Result<SitePlan> {
    let url = format!("{}/api/sites/{id}", url.trim_end_matches('/'));
    let http = reqwest::Client::builder().timeout(REPLY_TIMEOUT).build()?;
    let response = http.get(&url).send().await.with_context(|| format!("no reply from {url}"))?;
    let status = response.status();
    let reply: Option<Reply> = response.json().await.ok();
    match reply {
        Some(Reply { data: Some(plan), .. }) if status.is_success() => Ok(plan),
        Some(Reply { detail: Some(detail), .. }) => {
            bail!("{} from {url}: {detail}", status.as_u16())
        }
        _ => bail!("{} from {url}: this is not the plan of a site", status.as_u16()),
    }
}
