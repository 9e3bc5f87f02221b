//! A prepared scenario, which can be brought back to its start.

use std::sync::Arc;

use cms::Durability;
use cms::testing::Files;
use tempfile::TempDir;

use super::oracle::scratch;
use super::power::{Disk, Image};
use super::program::Program;
use super::scenario::{Scenario, State};
use super::world::World;

/// A prepared scenario, which can be played again and again.
pub struct Prepared {
    pub scenario: Scenario,
    pub states: Vec<State>,
    pub world: World,
    pub disk: Arc<Disk>,
    start: Image,
    /// The packages that are symbolic links.
    pub links: Vec<String>,
    _dirs: [TempDir; 2],
}

impl Prepared {
    pub fn new(scenario: &Scenario) -> Self {
        let dirs = [scratch(), scratch()];
        let mut world = World::at(dirs[0].path(), scenario.log_size);
        std::fs::create_dir(world.path("config")).expect("made");
        for (name, text) in (scenario.packages)() {
            world.make(&name, &text);
        }
        (scenario.prepare)(&world);
        let states = (scenario.states)();
        assert_eq!(states.len(), scenario.steps.len() + 1, "a state before the steps, and one after each");
        let links = states[0].texts.keys().filter(|name| world.package(name).is_symlink()).cloned().collect();
        let disk = Disk::new(dirs[0].path(), dirs[1].path());
        let start = disk.now();
        world.disk = Some(Arc::clone(&disk));
        Self { scenario: *scenario, states, world, disk, start, links, _dirs: dirs }
    }

    /// Restores all files to their state before the steps.
    pub fn reset(&self) {
        self.disk.restore(&self.start);
    }

    pub fn program(&self, level: Durability, files: Files) -> Program<'_> {
        self.world.program_of(&self.scenario, level, files)
    }
}
