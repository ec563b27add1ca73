//! Writes every page of the sample boards into a directory, to look at them: `render DIRECTORY`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use mbolo_pulse::board::{Board, Health, Visitor};
use mbolo_pulse::model::{IncidentId, ServiceId};
use mbolo_pulse_page::{FormToken, Language, Notice, PageContext, Theme, badge, feed, sample};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("say where to write the pages")?);
    std::fs::create_dir_all(&directory)?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let (busy, quiet, worst) =
        (sample::sample_board(now), sample::quiet_board(now), sample::worst_board(now));
    let mut rebuilt = busy.clone();
    rebuilt.limits.push("reconstruction".to_owned());
    let mut wrong = quiet.clone();
    wrong.incidents.insert(0, busy.incidents[0].clone());
    wrong.incidents[0].false_alarm = true;
    for service in wrong.services.iter_mut().filter(|service| service.fresh_at.is_none()) {
        service.health = Health::Reported;
        service.reports_1h = 31;
    }
    let (in_gabon, nowhere) = (sample::visitor_in_gabon(), Visitor::default());
    let comments = sample::comments(now);
    let whatsapp = ServiceId::new("whatsapp").ok_or("a valid name")?;
    let bank = ServiceId::new("bank").ok_or("a valid name")?;
    let write = |name: &str, page: String| std::fs::write(directory.join(name), page);
    let context = |board, visitor, language, theme| context(now, board, visitor, language, theme, &comments);
    for (language, theme) in
        [(Language::En, Theme::Light), (Language::Fr, Theme::Light), (Language::En, Theme::Dark)]
    {
        let name =
            |page: &str| format!("{page}-{}-{}.html", language.tag(), theme.as_query().unwrap_or("auto"));
        let busy_context = context(&busy, &in_gabon, language, theme);
        write(&name("home"), mbolo_pulse_page::home(&busy_context))?;
        write(&name("service"), mbolo_pulse_page::service(&busy_context, &whatsapp).ok_or("no page")?)?;
        let id = IncidentId("connectivity-GA-1".to_owned());
        write(&name("incident"), mbolo_pulse_page::incident(&busy_context, &id).ok_or("no page")?)?;
        write(&name("how"), mbolo_pulse_page::how_we_know(&busy_context))?;
        write(&name("subscribe"), mbolo_pulse_page::subscribe(&busy_context))?;
        write(&name("confirm"), mbolo_pulse_page::confirm_page(&busy_context, "token"))?;
        write(&name("end"), mbolo_pulse_page::end_page(&busy_context, "token"))?;
        write(&name("not-found"), mbolo_pulse_page::not_found(&busy_context))?;
        let quiet_context = context(&quiet, &nowhere, language, theme);
        write(&name("quiet"), mbolo_pulse_page::service(&quiet_context, &whatsapp).ok_or("no page")?)?;
        write(&name("quiet-home"), mbolo_pulse_page::home(&quiet_context))?;
        let wrong_context = context(&wrong, &in_gabon, language, theme);
        write(&name("wrong-home"), mbolo_pulse_page::home(&wrong_context))?;
        write(&name("wrong"), mbolo_pulse_page::service(&wrong_context, &whatsapp).ok_or("no page")?)?;
        write(&name("unmeasured"), mbolo_pulse_page::service(&wrong_context, &bank).ok_or("no page")?)?;
        let thanks =
            PageContext { notice: Some(Notice::ReportThanks), board: &rebuilt, ..busy_context.clone() };
        write(&name("thanks"), mbolo_pulse_page::service(&thanks, &whatsapp).ok_or("no page")?)?;
        let stale = PageContext { now: now + 3600, ..busy_context.clone() };
        write(&name("stale"), mbolo_pulse_page::service(&stale, &whatsapp).ok_or("no page")?)?;
        let worst_context = context(&worst, &in_gabon, language, theme);
        write(&name("worst"), mbolo_pulse_page::service(&worst_context, &whatsapp).ok_or("no page")?)?;
    }
    for service in &busy.services {
        write(&format!("badge-{}.svg", service.id), badge::badge(&busy, service, Language::En, false))?;
    }
    let source = feed::Source { board: &busy, base_url: "https://pulse.example.org", language: Language::En };
    write("atom.xml", feed::atom(&source, &feed::Filter::default()))?;
    Ok(())
}

fn context<'a>(
    now: i64,
    board: &'a Board,
    visitor: &'a Visitor,
    language: Language,
    theme: Theme,
    comments: &'a [mbolo_pulse_page::Comment],
) -> PageContext<'a> {
    PageContext {
        board,
        visitor,
        now,
        language,
        language_is_chosen: true,
        theme,
        base_url: "https://pulse.example.org",
        report_form: Some(FormToken("token".to_owned())),
        notice: None,
        comments,
        email_is_offered: true,
        copies: &[],
        is_copy: false,
    }
}
