//! Where the power is cut: at what happens seldom always, at the rest now and then. Pure.

use super::disk::{Data, Fate, Names};
use super::trace::Event;
use pmm_buffer::harness::Rng;
use std::collections::HashMap;
use std::ops::Range;

/// The power goes when the first `after` events of the trace have happened.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    pub after: usize,
    pub fate: Fate,
}

/// What becomes of what was not synced. The first two keep none of it; the last keeps most.
const FATES: [Fate; 7] = [
    Fate { names: Names::Journal, data: Data::Synced },
    Fate { names: Names::Folder, data: Data::Synced },
    Fate { names: Names::All, data: Data::Synced },
    Fate { names: Names::JournalAndMore, data: Data::Prefix },
    Fate { names: Names::FolderAndSome, data: Data::Prefix },
    Fate { names: Names::JournalAndMore, data: Data::Pages(4096) },
    Fate { names: Names::All, data: Data::Pages(512) },
];

/// Chooses `wanted` cuts within a part of the trace, in its order. Half of them are where files come, go and
/// change their names and where anything but the log is synced; a third around the syncs of the log and the
/// answers; the rest anywhere.
pub fn choose(events: &[Event], part: Range<usize>, wanted: usize, rng: &mut Rng) -> Vec<Cut> {
    let (mut seldom, mut often) = boundaries(events);
    seldom.retain(|at| part.contains(at));
    often.retain(|at| part.contains(at));
    shuffle(&mut seldom, rng);
    shuffle(&mut often, rng);
    let anywhere = std::iter::repeat_with(|| part.start + rng.below(part.len() as u64) as usize);
    // Where there are fewer places than that, each comes again, with another fate.
    let mut places: Vec<usize> = seldom.into_iter().cycle().take(wanted / 2).collect();
    places.extend(often.into_iter().cycle().take(wanted / 3));
    let missing = wanted - places.len();
    places.extend(anywhere.take(missing));
    let fates = FATES.iter().cycle();
    let mut cuts: Vec<_> =
        places.into_iter().zip(fates).map(|(after, fate)| Cut { after, fate: *fate }).collect();
    cuts.sort_by_key(|cut| cut.after);
    cuts
}

/// A cut at every place, with every fate after which a store has to open.
pub fn all(events: &[Event]) -> Vec<Cut> {
    let fates = || FATES.into_iter().filter(|fate| !matches!(fate.data, Data::Pages(_)));
    (0..=events.len()).flat_map(|after| fates().map(move |fate| Cut { after, fate })).collect()
}

/// The places just before and just after what matters: what happens seldom, and what happens at every push.
fn boundaries(events: &[Event]) -> (Vec<usize>, Vec<usize>) {
    let (mut seldom, mut often) = (Vec::new(), Vec::new());
    let (mut logs, mut syncs) = (HashMap::new(), HashMap::new());
    for (at, event) in events.iter().enumerate() {
        let is_often = match event {
            Event::Opened { file, path, creates, .. } => {
                logs.insert(*file, path.ends_with(".log"));
                if !creates {
                    continue;
                }
                false
            }
            Event::SyncBegun { file, sync } => *syncs.entry(*sync).or_insert(logs[file]),
            Event::SyncEnded { sync } => syncs[sync],
            Event::Answered { .. } | Event::Settled => true,
            Event::Written { .. } | Event::Truncated { .. } | Event::Extended { .. } => continue,
            Event::Renamed { .. }
            | Event::Linked { .. }
            | Event::Removed { .. }
            | Event::FolderMade { .. } => false,
        };
        let places = if is_often { &mut often } else { &mut seldom };
        places.extend([at, at + 1]);
    }
    for places in [&mut seldom, &mut often] {
        places.dedup();
    }
    (seldom, often)
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last as u64 + 1) as usize);
    }
}

/// A cut in words: the events around it.
pub fn describe(events: &[Event], cut: &Cut) -> String {
    let name = |at: Option<usize>| match at.and_then(|at| events.get(at)) {
        Some(Event::Written { file, offset, data }) => {
            format!("Written {{ file: {file}, offset: {offset}, {} bytes }}", data.len())
        }
        Some(event) => format!("{event:?}"),
        None => "nothing".to_owned(),
    };
    let (before, behind) = (name(cut.after.checked_sub(1)), name(Some(cut.after)));
    format!("cut {} ({:?}), after {before}, before {behind}", cut.after, cut.fate)
}
