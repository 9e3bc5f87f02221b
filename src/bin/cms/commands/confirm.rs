//! Commits that go back unless they are confirmed: `confirm` and `pending`.

use serde_json::{Value as Json, json};

use super::context::{Context, show};
use super::failure::{Exit, Failure};
use super::line::Line;

pub fn confirm(context: &mut Context, line: &Line) -> Result<Exit, Failure> {
    if line.has("wait") {
        let confirmed = context.store.wait_for_confirmation()?;
        return Ok(if confirmed { Exit::Ok } else { Exit::NotFound });
    }
    if line.has("enforce") {
        // What is overdue was taken back before this command began.
        return Ok(Exit::Ok);
    }
    let sequence = match line.expect(0, 1)?.first() {
        Some(id) => Some(
            show(id).parse().map_err(|_| Failure::Usage(format!("'{}' is not a transaction", show(id))))?,
        ),
        None => None,
    };
    if context.dry_run {
        return pending(context, line);
    }
    let done = context.store.confirm(sequence, None)?;
    context.note(&format!("transaction {done} is confirmed"));
    Ok(Exit::Ok)
}

pub fn pending_json(pending: cms::Pending) -> Json {
    json!({"revision": pending.sequence, "baseline": pending.baseline, "seconds_left": pending.left.as_secs_f64()})
}

pub fn pending(context: &mut Context, _: &Line) -> Result<Exit, Failure> {
    let pending = context.store.pending()?;
    if context.json {
        context.put_json(&pending.map_or(Json::Null, pending_json))?;
    } else if let Some(pending) = pending {
        context.say(&format!(
            "transaction {} goes back to revision {} in {} s unless it is confirmed",
            pending.sequence,
            pending.baseline,
            pending.left.as_secs_f64().ceil()
        ))?;
    } else {
        context.note("no commit waits to be confirmed");
    }
    Ok(if pending.is_some() { Exit::Ok } else { Exit::NotFound })
}
