//! `grandstand plan`, the import of the API, and the commands of docs/PLAN-IMPORT.md.

use crate::support::node::{TestNode, plan};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

const CSV: &str = include_str!("../plans/hall.csv");

/// Runs `grandstand plan` in a folder. Returns the status, the standard output and the standard
/// error.
async fn run(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grandstand"));
    command.arg("plan").args(arguments).current_dir(folder.path()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let [text, errors] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap_or(-1), text, errors)
}

#[tokio::test]
async fn a_plan_is_imported_checked_and_drawn() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("hall.csv"), CSV).unwrap();
    let import = ["import", "hall.csv", "--from", "csv", "--out", "hall.json", "--name", "Hall"];
    let (code, text, errors) =
        run(&folder, &[&import[..], &["--price", "BOX=9000"]].concat()).await;
    assert_eq!((code, text.as_str()), (0, ""), "{errors}");
    let summary = "Hall: 42 seats, 300 places without seats, 5 blocks, 1 floor, 4 grades\n";
    assert!(errors.contains("/focus") && errors.ends_with(summary), "{errors}");

    let (code, text, errors) = run(&folder, &["check", "hall.json"]).await;
    assert_eq!((code, text.as_str(), errors.as_str()), (0, summary, ""));
    let written = std::fs::read_to_string(folder.path().join("hall.json")).unwrap();
    let read: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(read["grades"][2]["price"], 9000);
    assert!(written.contains("\"from\": [0.0, 0.0]"), "points are in one line");

    let (code, _, errors) = run(&folder, &["preview", "hall.json", "--svg", "hall.svg"]).await;
    assert_eq!(code, 0, "{errors}");
    let svg = std::fs::read_to_string(folder.path().join("hall.svg")).unwrap();
    // 42 seats, and one circle for each of four grades below the plan.
    assert_eq!(svg.matches("<circle").count(), 46);
    for part in [">Lawn<", ">300<", ">♿<", "<title>B 1_DA</title>", "9000 KRW"] {
        assert!(svg.contains(part), "{part}");
    }
}

#[tokio::test]
async fn faults_have_a_line_each_and_the_status_1() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("wrong.csv", "section,row,seat,x,y,grade\nA,1,1,0,0,G\nA,1,2,zero,0,G\nA,1\n");
    let import = ["import", "wrong.csv", "--from", "csv", "--out", "plan.json"];
    let (code, text, errors) = run(&folder, &import).await;
    assert_eq!((code, text.as_str(), errors.lines().count()), (1, "", 2), "{errors}");
    assert!(errors.starts_with("line 3: ") && errors.contains("\nline 4: "), "{errors}");
    assert!(!folder.path().join("plan.json").exists(), "nothing is written");

    let mut wrong = plan();
    wrong["grades"][0]["price"] = json!(-1);
    wrong["areas"][0]["sections"][0]["nmae"] = json!("misspelt");
    write("wrong.json", &wrong.to_string());
    let (code, text, _) = run(&folder, &["check", "wrong.json"]).await;
    assert_eq!((code, text.lines().count()), (1, 2), "{text}");
    assert!(text.contains("/areas/0/sections/0/nmae: ") && text.contains("/grades/0/price: "));
    let (code, _, errors) = run(&folder, &["preview", "wrong.json", "--svg", "x.svg"]).await;
    assert!(code == 1 && errors.contains("/grades/0/price"), "{errors}");

    write("broken.json", "{\"name\": 7}");
    let (code, text, _) = run(&folder, &["check", "broken.json"]).await;
    assert!(code == 1 && text.starts_with("/name: "), "{text}");
    let (code, _, errors) = run(&folder, &["check", "absent.json"]).await;
    assert!(code == 1 && errors.contains("cannot read absent.json"), "{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_of_a_site_is_exported_as_it_was_stored() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let plan = plan();
    let site = admin.post("/api/admin/sites", &plan).await.expect(201);
    let id = site["id"].as_str().unwrap();
    let url = node.url();
    crate::support::node::eventually("PostgreSQL has the site", || async {
        let (code, _) = node.run(&["plan", "export", id]).await;
        (code == 0).then_some(())
    })
    .await;
    let stored = admin.get(&format!("/api/sites/{id}")).await.expect(200);
    for source in [&["--url", &url][..], &[]] {
        let (code, text) = node.run(&[&["plan", "export", id], source].concat()).await;
        assert_eq!(code, 0, "{text}");
        let exported: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&exported["areas"], &exported["grades"]),
            (&stored["areas"], &stored["grades"])
        );
        // The same plan can be stored again.
        admin.put(&format!("/api/admin/sites/{id}"), &exported).await.expect(200);
        let (code, csv) = node.run(&[&["plan", "export", id, "--csv"], source].concat()).await;
        assert!(code == 0 && csv.starts_with("area,section,block,floor,row,seat,x,y,"), "{csv}");
    }
    let unknown = id.replace(|letter: char| letter.is_ascii_digit(), "0");
    let (code, text) = node.run(&["plan", "export", &unknown, "--url", &url]).await;
    assert!(code == 1 && text.contains("404 from"), "{text}");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organiser_imports_a_plan_over_the_api_and_nothing_is_stored() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let before = admin.get("/api/admin/sites").await.expect(200);
    let path = "/api/admin/sites/import?from=csv";
    let read = admin.post(path, &json!({"text": CSV, "name": "Hall"})).await.expect(200);
    assert_eq!((&read["plan"]["name"], &read["faults"]), (&json!("Hall"), &json!([])));
    assert!(read["notes"][0].as_str().unwrap().contains("/focus"), "{read}");
    let wrong = json!({"text": "section,row,seat,x,y,grade\nA,1,1,zero,0,G"});
    let refused = admin.post(path, &wrong).await.expect(200);
    assert_eq!(
        (&refused["plan"], &refused["faults"][0]["pointer"]),
        (&Value::Null, &json!("line 2"))
    );
    let other = "/api/admin/sites/import?from=excel";
    admin.post(other, &json!({"text": ""})).await.refused(400, "VALIDATION");
    let spacing = json!({"text": CSV, "spacing": 0});
    admin.post(path, &spacing).await.refused(400, "VALIDATION");
    assert_eq!(admin.get("/api/admin/sites").await.expect(200), before);
    // What was read can be stored as it is.
    admin.post("/api/admin/sites", &read["plan"]).await.expect(201);
    node.finish().await;
}

/// All commands of docs/PLAN-IMPORT.md run as they stand there, one after the other, in a copy of
/// the repository. Only the address and the account are those of the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_page_works() {
    let node = TestNode::start().await;
    let page = include_str!("../../docs/PLAN-IMPORT.md");
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: String = ["set -eu\n"].into_iter().chain(blocks).collect();
    let (email, password) = crate::support::node::ADMIN;
    let script = script
        .replace("http://127.0.0.1:8080", &node.url())
        .replace("admin@grandstand.example demo-admin-1982", &format!("{email} {password}"));
    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir(folder.path().join("tests")).unwrap();
    std::os::unix::fs::symlink(root.join("tests/plans"), folder.path().join("tests/plans"))
        .unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_grandstand")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let run = Command::new("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(std::time::Duration::from_secs(60), run);
    let output = run.await.expect("the commands end").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let town_hall = "Town hall: 6 seats, 80 places without seats, 2 blocks, 1 floor, 2 grades\n";
    assert_eq!(text, town_hall.repeat(3), "{errors}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let [stored, again] = ["stored.json", "again.json"]
        .map(|name| serde_json::from_str::<Value>(&read(name)).unwrap());
    assert_eq!(stored, again, "an exported plan is the same when it is imported again");
    assert!(errors.contains("Night club: 37 seats, 190 places"), "{errors}");
    node.finish().await;
}
