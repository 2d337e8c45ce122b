//! The report as one page that loads nothing.

use super::change::{self, Change, Meaning, Section};
use super::dots::Scale;
use super::style::STYLE;
use super::view::{self, Contender};
use super::{chart, curves, text};
use crate::bench::outcome::{Figure, Played, Report};
use crate::bench::spread::Spread;
use crate::html::escape;
use std::fmt::Write as _;

/// With `before`, also what changed since that report.
pub fn html(report: &Report, before: Option<&Report>) -> String {
    let mut out = String::with_capacity(1 << 18);
    head(&mut out, report);
    if let Some(before) = before {
        changes(&mut out, report, before);
    }
    for (number, played) in report.scenarios.iter().enumerate() {
        scenario(&mut out, number, played);
    }
    out.push_str("</body></html>\n");
    out
}

fn head(out: &mut String, report: &Report) {
    let names: Vec<_> = report.scenarios.iter().map(|played| escape(&played.scenario)).collect();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>pmm-buffer bench: {}</title>\n<style>{STYLE}{}</style></head>\n\
         <body>\n<h1>pmm-buffer bench</h1>\n<table class=\"about\"><tbody>\n",
        names.join(", "),
        chart::STYLE
    );
    about(out, "began", &escape(&report.began));
    about(out, "host", &escape(&text::host(&report.host)));
    let links = names.iter().enumerate().map(|(number, name)| format!("<a href=\"#s{number}\">{name}</a>"));
    about(out, "scenarios", &links.collect::<Vec<_>>().join(", "));
    out.push_str("</tbody></table>\n");
}

/// `value` is HTML.
fn about(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
}

fn changes(out: &mut String, report: &Report, before: &Report) {
    out.push_str("<h2>What changed</h2>\n<table class=\"about\"><tbody>\n");
    about(out, "before", &escape(&format!("{}, {}", before.began, text::host(&before.host))));
    out.push_str("</tbody></table>\n");
    for note in change::notes(report, before) {
        let _ = writeln!(out, "<p class=\"bad\">{}</p>", escape(&note));
    }
    let sections = change::sections(report, before);
    if sections.is_empty() {
        out.push_str("<p>The reports have no scenario and contender in common.</p>\n");
    }
    for section in &sections {
        changes_of(out, section);
    }
}

fn changes_of(out: &mut String, section: &Section) {
    let scale = Scale::of(&section.changes);
    let _ = write!(
        out,
        "<h3>{}, {}</h3>\n<div class=\"wide\"><table><thead><tr><th scope=\"col\">median (least to most)</th>\
         <th scope=\"col\">before</th><th scope=\"col\">now</th><th scope=\"col\">{}</th><th scope=\"col\">change</th></tr>\
         </thead><tbody>\n",
        escape(section.scenario),
        escape(section.contender),
        scale.header()
    );
    for change in &section.changes {
        change_row(out, &scale, change);
    }
    out.push_str(
        "</tbody></table></div>\n<p class=\"soft\">Ratios to the median before. Grey: the spread before; the dot and its line: \
         now. Better and worse are said where no round of one lies among those of the other.</p>\n",
    );
}

fn change_row(out: &mut String, scale: &Scale, change: &Change) {
    let class = match change.meaning() {
        Meaning::Better => "good",
        Meaning::Worse | Meaning::Fault => "bad",
        Meaning::Nothing => "soft",
    };
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"plot\">{}</td><td class=\"{class}\">{}</td></tr>",
        escape(change.figure.title()),
        cell(change.figure, Some(change.before)),
        cell(change.figure, Some(change.now)),
        scale.row(change),
        escape(&change.words())
    );
}

fn scenario(out: &mut String, number: usize, played: &Played) {
    let contenders = view::contenders(played);
    let _ = writeln!(
        out,
        "<h2 id=\"s{number}\">{}</h2>\n<p>{}</p>",
        escape(&played.scenario),
        escape(&played.about)
    );
    for contender in &contenders {
        for fault in contender.faults() {
            let _ =
                writeln!(out, "<p class=\"bad\">Fault: {}: {}</p>", escape(contender.name), escape(&fault));
        }
        for worst in contender.worst() {
            let _ = writeln!(out, "<p class=\"soft\">{}</p>", escape(&worst));
        }
        for failure in contender.failures() {
            let _ = writeln!(
                out,
                "<p class=\"bad\">Failed: {}: {}</p>",
                escape(contender.name),
                escape(&failure)
            );
        }
    }
    table(out, &contenders);
    let charts = curves::charts(&contenders);
    if !charts.is_empty() {
        out.push_str("<div class=\"charts\">\n");
        for chart in charts {
            out.push_str(&chart.svg());
        }
        out.push_str("</div>\n");
        legend(out, &contenders);
    }
    repeat(out, played, &contenders);
}

fn table(out: &mut String, contenders: &[Contender]) {
    let rounds = contenders.iter().map(|contender| contender.counted().len()).max().unwrap_or(0);
    let what = match rounds {
        0 | 1 => "one round".to_owned(),
        rounds => format!("median (least to most) of {rounds} rounds"),
    };
    let _ = write!(out, "<div class=\"wide\"><table><thead><tr><th scope=\"col\">{what}</th>");
    for contender in contenders {
        let version = contender.version().unwrap_or_default();
        let _ = write!(
            out,
            "<th scope=\"col\">{} <span class=\"spread\">{}</span></th>",
            escape(contender.name),
            escape(&version)
        );
    }
    let (first, others) =
        contenders.split_first().map_or((None, &[][..]), |(first, others)| (Some(first), others));
    for (first, other) in others.iter().filter_map(|other| Some((first?, other))) {
        let _ = write!(out, "<th scope=\"col\">{} : {}</th>", escape(first.name), escape(other.name));
    }
    out.push_str("</tr></thead><tbody>\n");
    for figure in view::figures(contenders) {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(figure.title()));
        for contender in contenders {
            let spread = contender.spread(figure);
            let fault = contender.is_fault(figure) && spread.is_some_and(|spread| spread.most > 0.0);
            let class = if fault { " class=\"bad\"" } else { "" };
            let _ = write!(out, "<td{class}>{}</td>", cell(figure, spread));
        }
        for (first, other) in others.iter().filter_map(|other| Some((first?, other))) {
            let ratio = first.ratio(other, figure).map(text::ratio).unwrap_or_default();
            let _ = write!(out, "<td>{}</td>", spread_apart(&ratio));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn cell(figure: Figure, spread: Option<Spread>) -> String {
    spread.map_or_else(|| "–".to_owned(), |spread| spread_apart(&text::figure(figure, spread)))
}

/// `12.3 (11.9 to 14.0)` with the spread in a smaller hand.
fn spread_apart(value: &str) -> String {
    match value.split_once(' ') {
        Some((value, spread)) => {
            format!("{} <span class=\"spread\">{}</span>", escape(value), escape(spread))
        }
        None => escape(value),
    }
}

/// What the charts do not say themselves.
fn legend(out: &mut String, contenders: &[Contender]) {
    let Some(run) = contenders.iter().find_map(Contender::middle) else { return };
    let phases: Vec<_> =
        run.phases.iter().map(|phase| format!("{} from {:.1} s", escape(&phase.name), phase.at_s)).collect();
    let _ = writeln!(
        out,
        "<p class=\"soft\">A strong line is the round that took neither the least nor the most time, a thin one each other \
         round. Rates are means of a short while; of memory, folder, backlog and p99 the most is shown. Phases: {}.</p>",
        phases.join(", ")
    );
}

fn repeat(out: &mut String, played: &Played, contenders: &[Contender]) {
    let file = format!("{}.yml", played.scenario);
    let rounds = played.runs.iter().map(|run| run.round).max().unwrap_or(1);
    let command = match contenders {
        [] => format!("pmm-buffer bench run {}", quoted(&file)),
        [one] => {
            let contender = match one.name {
                "pmm-buffer" => String::new(),
                name => format!(" --contender {}", quoted(name)),
            };
            format!("pmm-buffer bench run {}{contender} --rounds {rounds}", quoted(&file))
        }
        [_, others @ ..] => {
            let with: String = others.iter().map(|other| format!(" {}", quoted(other.name))).collect();
            format!("pmm-buffer bench compare {} --with{with} --rounds {rounds}", quoted(&file))
        }
    };
    let text: Vec<_> = played.text.lines().map(escape).collect();
    let _ = writeln!(
        out,
        "<details><summary>How to repeat it</summary>\n<p>Save the scenario as <code>{}</code>, then:</p>\n\
         <pre>{}</pre>\n<pre>{}</pre></details>",
        escape(&file),
        escape(&command),
        text.join("\n")
    );
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if word.chars().all(plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::bench::outcome::Worst;
    use proptest::prelude::*;

    /// Tags that a page has, and nothing that a user wrote can add.
    const TAGS: [&str; 33] = [
        "!DOCTYPE", "html", "head", "meta", "link", "title", "style", "body", "h1", "h2", "h3", "p", "a",
        "table", "thead", "tbody", "tr", "th", "td", "div", "span", "details", "summary", "pre", "code",
        "svg", "rect", "path", "circle", "text", "b", "i", "g",
    ];

    fn is_inert(page: &str) -> Result<(), String> {
        for at in page.match_indices('<').map(|(at, _)| at) {
            let tag = page[at + 1..].trim_start_matches('/');
            let name = tag.split(|c: char| !(c.is_alphanumeric() || c == '!')).next().unwrap_or_default();
            if !TAGS.contains(&name) {
                return Err(format!("<{name} at {at}"));
            }
        }
        for bad in ["http:", "https:", "onerror=\"", "@import", "url("] {
            // What a user wrote is text; only within tags it would be asked for.
            if page.split('<').filter_map(|part| part.split_once('>')).any(|(tag, _)| tag.contains(bad)) {
                return Err(format!("{bad} in a tag"));
            }
        }
        if page.contains('\x1b') { Err("a control character".to_owned()) } else { Ok(()) }
    }

    #[test]
    fn the_page_has_tables_and_charts_of_each_scenario() {
        let page = html(&sample::outage(&["pmm-buffer", "vmagent"]), None);
        assert_eq!(is_inert(&page), Ok(()));
        assert_eq!(page.matches("<svg class=\"chart\"").count(), 8);
        for text in [
            "AMD EPYC 7B13, 2 cores, 8.0 GiB, Linux 6.1.0, ext4",
            "pmm-buffer : vmagent",
            "0.37 <span class=\"spread\">(0.37 to 0.38)</span>",
            "Fault: vmagent: samples lost: 154 at most, in 2 of 3 rounds",
            "pmm-buffer bench compare outage.yml --with vmagent --rounds 3",
            "about: The upstream is away for a minute.\nphases:\n",
        ] {
            assert!(page.contains(text), "no {text}");
        }
        assert!(!page.contains("What changed"));
    }

    #[test]
    fn an_earlier_report_is_compared() {
        let before = sample::outage(&["pmm-buffer"]);
        let mut now = before.clone();
        for run in &mut now.scenarios[0].runs {
            *run.figures.get_mut(&Figure::CpuMicros).expect("measured") /= 2.0;
        }
        let page = html(&now, Some(&before));
        assert_eq!(is_inert(&page), Ok(()));
        assert!(page.contains("class=\"good\">-50 %, better</td>"), "{page}");
        assert!(page.contains("class=\"dots good\""));
    }

    #[test]
    fn what_a_user_wrote_stays_text() {
        let hostile = "</style><script src=\"http://a/b\">'&\x1b[2J";
        let mut report = sample::outage(&[hostile]);
        let played = &mut report.scenarios[0];
        (played.scenario, played.about, played.text) =
            (hostile.into(), hostile.into(), format!("a\n{hostile}\n"));
        (report.host.cpu, report.began) = (hostile.into(), hostile.into());
        for run in &mut report.scenarios[0].runs {
            (run.version, run.failure) = (Some(hostile.into()), Some(hostile.into()));
            run.phases[0].name = hostile.into();
            run.worst = vec![Worst { series: hostile.into(), lost: 1, out_of_order: 0, made_up: 0 }];
        }
        let page = html(&report, Some(&report));
        assert_eq!(is_inert(&page), Ok(()));
        assert!(page.contains("&lt;/style&gt;&lt;script src=&quot;http://a/b&quot;&gt;&#39;&amp;\\u{1b}[2J"));
    }

    #[test]
    fn words_of_the_shell_are_quoted() {
        assert_eq!(quoted("a-b/c.yml"), "a-b/c.yml");
        assert_eq!(quoted("a b; rm 'c'"), r"'a b; rm '\''c'\'''");
        assert_eq!(quoted("--with"), "'--with'");
    }

    proptest! {
        #[test]
        fn any_report_makes_an_inert_page(report in sample::any_report(), before in proptest::option::of(sample::any_report())) {
            let page = html(&report, before.as_ref());
            prop_assert_eq!(is_inert(&page), Ok(()));
            prop_assert!(page.ends_with("</html>\n"));
        }
    }
}
