//! The settings that are in force, as text and as JSON.

use std::sync::Arc;

use cms::{Setting, SettingOrigin, Settings};
use serde_json::{Map, Value as Json, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::shape::Shape;

/// Prints each setting with its value and its origin.
pub fn show(context: &mut Context, settings: &Arc<Settings>) -> Result<(), Failure> {
    for setting in Setting::ALL {
        let origin = settings.origin(setting);
        let origin = cms::shown::text(origin.to_string());
        context.print_line(&format!("{:14} {:20} ({origin})", setting.name(), settings.text(setting)))?;
    }
    Ok(())
}

/// A setting, as [`all_json`] returns it.
pub const SETTING: Shape = Shape::named(
    "setting",
    "
    value text|number|boolean the value; times in seconds, sizes in bytes
    from text default, option, environment or policy
    variable? text the variable of the environment it comes from
    file? text the file of the policy it comes from
    line? number the line there",
);

/// Returns all settings as an object: each with its value (times in seconds, sizes in bytes) and its origin.
pub fn all_json(settings: &Settings) -> Json {
    let mut object = Map::new();
    for setting in Setting::ALL {
        let value = match setting {
            Setting::SafeMode => json!(settings.safe_mode),
            Setting::LogSize => json!(settings.log.bytes),
            Setting::SnapshotsKeep => json!(settings.snapshots_keep),
            Setting::VerifyTimeout => json!(settings.verify_timeout.as_secs_f64()),
            Setting::TextDelay => json!(settings.text_delay.as_secs_f64()),
            Setting::LockTimeout => json!(settings.lock_timeout.as_secs_f64()),
            _ => json!(settings.text(setting)),
        };
        let row = match settings.origin(setting) {
            SettingOrigin::Default => json!({"value": value, "from": "default"}),
            SettingOrigin::Option => json!({"value": value, "from": "option"}),
            SettingOrigin::Environment(variable) => {
                json!({"value": value, "from": "environment", "variable": variable})
            }
            SettingOrigin::Policy { file, line } => {
                json!({"value": value, "from": "policy", "file": file, "line": line})
            }
            other => json!({"value": value, "from": other.to_string()}),
        };
        object.insert(setting.name().to_owned(), row);
    }
    Json::Object(object)
}
