# The observatory in English. Keys are section-element; both languages have the same.

## Around every page
title = { $page } · { $observatory }
skip = Skip to the answer
nav-label = Pages
nav-subscribe = Be told
nav-how = How we know
footer-fresh = As of { $at }, number { $seq }.
footer-utc = Times are in UTC.
footer-copies = When this page does not answer:
footer-api = API description
footer-statuspage = Status document
theme-auto = As the device
theme-light = Light
theme-dark = Dark
number = { $n }
percent = { $n } %
list-last = { $head } and { $last }
list-more = { $head }, { $next }
list-others = { $n ->
    [one] { $n } other
   *[other] { $n } others
}

## Times
time-clock = { $hour }:{ $minute } UTC
time-date = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }
time-moment = { $date }, { $clock }
ago-seconds = { $n ->
    [one] { $n } second ago
   *[other] { $n } seconds ago
}
ago-minutes = { $n ->
    [one] { $n } minute ago
   *[other] { $n } minutes ago
}
ago-hours = { $n ->
    [one] { $n } hour ago
   *[other] { $n } hours ago
}
ago-days = { $n ->
    [one] { $n } day ago
   *[other] { $n } days ago
}
duration-minutes = { $n } min
duration-hours = { $h } h { $m } min
duration-days = { $d } d { $h } h

## Places
there-world = worldwide
there-network = on network AS{ $asn } { $there }
there-cell = on our cell { $cell }
place-world = The world
place-network = AS{ $asn }, { $country }
place-cell = Cell { $cell }

## Health and states
health-unknown = No data
health-up = Works
health-reported = Reports only
health-degraded = Partly down
health-down = Down
state-up-but-in = Problems: { $place }
state-up-but = Problems in { $count } places
state-suspected = Being checked
state-reported = Reported
state-confirmed = Confirmed
state-recovering = Recovering
state-resolved = Over
state-false-alarm = False alarm
signal-reports = Reports by people
signal-beacon = Attempts of apps that failed
signal-heartbeat = Apps that are alive
signal-gauge = Live connections
signal-probe = Failed measurements
signal-official = The service’s own word

## Answers about the world
world-up = No. { $service } works.
world-up-but = Not everywhere. { $service } works in most places; we see problems here: { $places }.
world-reported = Unclear. People report problems with { $service }; our measurements are normal.
world-reported-unmeasured = Unclear. People report problems with { $service }; we do not measure it at the moment.
world-degraded = Partly. { $service } fails for some people.
world-degraded-since = Partly. { $service } has failed for some people since { $since }.
world-down = Yes. { $service } is down.
world-down-since = Yes. { $service } has been down since { $since }.
world-unknown = We cannot tell yet. There is no measurement of { $service } so far.
world-unknown-lately = We cannot tell. { $service } has not been measured lately.
world-unclear = We cannot tell. What we measure of { $service } does not say whether it works.
world-checking = We are checking. Something has been unusual with { $service } since { $since }.
world-failing = Perhaps. Most of what we measure of { $service } fails, but we do not know yet what is usual.
answer-starting = We cannot tell yet.
world-stale = We cannot tell now. Our last data is from { $ago }.

## Answers about the reader's place
here-starting = Please look again in a moment.
here-stale = This page is too old to be believed. Please try again in a few minutes.
here-no-place = We do not know where you are, so this is the answer for the world.
here-no-place-down = It is not you. Do not restart your router.
here-connectivity = For you, { $there }: networks have lost their connectivity since { $since }. It is not you. Do not restart your router.
here-provider = For you, { $there }: your network has lost its connectivity since { $since }. It is not your device; another network may work.
here-blocked = For you, { $there }: { $service } has been out of reach since { $since } while other services are within reach. It is not your device.
here-service = For you, { $there }: it is the service, since { $since }. It is not you. Do not restart your router.
here-service-network = For you, { $there }: { $service } has failed on your network since { $since }. It is not your device; another network may work.
here-reported = For you, { $there }: people report problems since { $since }; our measurements are normal.
here-reported-unmeasured = For you, { $there }: people report problems since { $since }; we measure nothing there at the moment.
here-recovering = For you, { $there }: it gets better. Some attempts still fail.
here-up = For you, { $there }: { $service } works as far as we measure. If it fails only for you, start with your own connection.
here-reported-place = For you, { $there }: people report problems; our measurements are normal.
here-reported-place-unmeasured = For you, { $there }: people report problems; we measure nothing there at the moment.
here-fails = For you, { $there }: attempts fail. It is not only you.
here-unknown = For you, { $there }: we have too little data to say.
here-unknown-down = For you, { $there }: we have too little data to say, but the service fails elsewhere. Do not restart your router.
fresh = Measured { $ago }.
fresh-board = Put together { $ago }.
fresh-never = Nothing has been measured so far.
learning = We are still learning what is usual here: what depends on the hour of the week waits for a week of history.
learning-short = Learning.

## First page
home-question = Is it down?
home-description = What is down, for whom, where and since when: measured, with evidence.
home-up = No. Everything we watch works.
home-up-but = Not everywhere. Everything we watch works for most people; we see problems here: { $places }.
home-measured = What we can measure works. We cannot tell yet about { $services }.
home-measured-but = Not everywhere. What we can measure works for most people; we see problems here: { $places }. We cannot tell yet about { $services }.
home-reported = Unclear. People report problems with { $services }; our measurements are normal.
home-reported-unmeasured = Unclear. People report problems with { $services }; no measurement confirms it.
home-down = Yes. We measure problems with { $services }.
home-unknown = We cannot tell. Nothing is measured at the moment.
home-unclear = We cannot tell at the moment. Below is what we know of each service.
home-here = For you: { $headline }.
home-stale = We cannot tell now. Our last data is from { $ago }.
home-now = Happening now
home-services = Services
home-recent = Before

## A service
service-question = Is { $service } down?
service-description = Is { $service } down, for you and in the world? Measurements and reports of the last 24 hours.
report-title = Does { $service } fail for you?
report-how = One tap tells us what fails. We keep your country and network, never your address.
report-count = { $n ->
    [0] No reports in the last hour.
    [one] { $n } report in the last hour.
   *[other] { $n } reports in the last hour.
}
report-thanks = Thank you. Your report counts from the next minute; { $n ->
    [0] you are the first in this hour.
    [one] { $n } report came in before it within the last hour.
   *[other] { $n } reports came in before it within the last hour.
} Reports alone never confirm an outage: we compare them with what we measure.
report-closed = Reports are closed at the moment. Measurements go on.
report-busy = Sending your report…
report-failed = Your report could not be sent. Please try again.
problem-send = Sending
problem-receive = Receiving
problem-connect-app = App does not connect
problem-connect-web = Website does not open
problem-login = Signing in
problem-calls = Calls
problem-media = Photos and files
problem-other = Something else
problems-title = What people report
problems-caption = { $n ->
    [one] { $n } report in the last hour, by problem
   *[other] { $n } reports in the last hour, by problem
}
problems-none = Nobody has reported a problem in the last hour.

## Chart
day-title = The last 24 hours
chart-nothing = There is no history yet.
chart-reports = Reports per 5 minutes
chart-scale = up to { $n }
chart-reports-label = Chart of reports over 24 hours
chart-failures = Attempts that failed
chart-failures-label = Chart of failed attempts over 24 hours
chart-summary-reports = { $total ->
    [one] { $total } report
   *[other] { $total } reports
} in 24 hours, at most { $peak } in five minutes at { $at }, when about { $usual } would be usual.
chart-summary-reports-only = { $total ->
    [one] { $total } report
   *[other] { $total } reports
} in 24 hours, at most { $peak } in five minutes at { $at }.
chart-summary-no-reports = The number of reports is not known.
chart-summary-failures = At worst { $percent } % of attempts failed, at { $at }.
chart-summary-unmeasured = Attempts were not measured.
chart-table-open = The same as a table
chart-table-caption = The last 24 hours by hour
legend-reports = Reports
legend-usual = What is usual
legend-failures = Attempts that failed
legend-incident = Incident
legend-official = The service said so
column-hour = From
column-reports = Reports in 1 h
column-usual = Usual
column-failures = Failed
column-place = Place
column-state = State
column-networks = Networks cut off
column-day = Day
column-worst = Worst
column-down = Down for
column-target = Target
column-vantage = Seen from
column-result = Result
column-seen-by = Seen by
column-signal = Signal
column-observed = Seen
column-window = Within
column-llr = Weight
history-title = 90 days
history-nothing = There is no history yet.
history-summary = { $watched ->
    [one] { $watched } day watched
   *[other] { $watched } days watched
}, { $bad ->
    [0] none with problems
    [one] { $bad } with problems
   *[other] { $bad } with problems
}; down worldwide for { $down } in all.
history-label = Chart of the last 90 days: the higher the bar, the worse the day
history-from = 90 days ago
history-to = today
history-table-open = Days with problems
history-table-caption = Days with problems, newest first

## Map and networks
map-title = Where
map-label = Map of the world by state; the table below says the same
map-country = { $place }: { $health }
map-nothing = There are too few data from any single country.
map-table-open = The same as a table
map-table-caption = Countries, worst first
map-table-more = { $n ->
    [one] { $n } more country is left out here.
   *[other] { $n } more countries are left out here.
}
networks-of = { $down } of { $measured }
networks-title = Networks { $there }
networks-title-world = Networks with problems
networks-own = Yours: { $name } (AS{ $asn })
networks-none = There are too few data from any single network there.
networks-none-world = No network stands out.

## Measured and reported
measured-title = Measured and reported
measured-people = People
measured-people-value = { $n ->
    [one] { $n } report in the last hour; { $usual } would be usual
   *[other] { $n } reports in the last hour; { $usual } would be usual
}
measured-people-only = { $n ->
    [one] { $n } report in the last hour
   *[other] { $n } reports in the last hour
}
measured-machines = Measurements
measured-machines-value = { $n } % of attempts fail
measured-machines-none = Nothing measured
targets-unmeasured = No target is measured yet
targets-caption = { $up } of { $all } { $all ->
    [one] target
   *[other] targets
} known to work, { $down } down
target-required = needed
target-unmeasured = not measured
target-networks = { $n ->
    [one] down for { $down } of { $n } network
   *[other] down for { $down } of { $n } networks
}
target-few = measured from { $n ->
    [one] { $n } network
   *[other] { $n } networks
}, fewer than { $enough }
probes-label = Measurements by agents
probes-caption = { $failed ->
    [one] { $failed } of { $all } measurements fails
   *[other] { $failed } of { $all } measurements fail
}
probes-none = No agent measures this service at the moment.
probe-ok = works, { $ms } ms
probe-ok-untimed = works
probe-failed = fails
probe-failed-phase = fails at: { $phase }
phase-dns = name lookup
phase-tcp = connection
phase-tls = encryption
phase-http = answer
phase-websocket = live connection
phase-session = session

## Incidents
incidents-title = Incidents
incidents-none = No incident in the last 90 days.
incidents-none-since = No incident since we began to watch on { $date }.
incidents-none-unwatched = No incident so far. We have only just begun to watch.
incident-checking = Something is unusual { $there } since { $since }. We are checking; it is not announced.
incident-open = All about it
what-connectivity = Loss of connectivity { $there }
what-connectivity-networks = Loss of connectivity { $there }, { $measured ->
    [one] { $down } of { $measured } measured network
   *[other] { $down } of { $measured } measured networks
}
what-blocked = { $services } out of reach { $there }, other services within reach
what-reports = People report problems with { $services } { $there }; our measurements are normal
what-reports-unmeasured = People report problems with { $services } { $there }; no measurement confirms it
what-reports-past = People reported problems with { $services } { $there }; no measurement confirmed it
what-service = { $count ->
    [one] { $services } fails { $there }
   *[other] { $services } fail { $there }
}
what-service-lost = { $count ->
    [one] { $services } has lost about { $percent } % of its connections { $there }
   *[other] { $services } have lost about { $percent } % of their connections { $there }
}
what-service-impact = { $count ->
    [one] { $services } fails { $there }, about { $percent } % of attempts
   *[other] { $services } fail { $there }, about { $percent } % of attempts
}
headline-open = { $what }, since { $since }
headline-recovering = { $what }, since { $since }; it is getting better
headline-wrong = { $what }, from { $from }
headline-past = { $what }, from { $from } to { $to }
delays-both = Seen after { $seen }; the service said so after { $said }.
delays-said-before = Seen after { $seen }; the service had said so before.
delays-unsaid = Seen after { $seen }; the service has not said so.
false-alarm = A false alarm: a person found that nothing was wrong. It stays here and counts against us.
scope-uncertain = There is too little traffic in the rest of the country to tell one provider from the whole.
update-suspected = Something unusual was seen.
update-reported = People report problems; no measurement confirms it.
update-confirmed = Measurements confirm it.
update-recovering = It gets better.
update-resolved = It is over.
update-state-scope = { $state }: { $place }
update-scope = Now about: { $place }
update-none = Looked at again.
steps-title = What happened
steps-none = Nothing was written down yet.
evidence-title = Evidence
evidence-caption = What was seen against what would be usual
evidence-none = There is no evidence on record.
evidence-hint = The weight is the logarithm of how much more likely a fault makes what was seen. Signals are weighed apart, because they fail apart.
evidence-targets = What agents could not reach, when most networks said so
facts-title = Facts
fact-place = Where
fact-services = Services
fact-started = Began
fact-detected = First seen by us
fact-confirmed = Confirmed by measurement
fact-acknowledged = The service said so
fact-resolved = Over
fact-impact = Share that fails
cause-title = Cause
cause-source = Source:
cause-unknown = We measure what happens, not why. A cause is written here by a person, with its source.

## Comments and following
comments-title = Comments
comments-none = No comments yet.
comment-anonymous = Somebody
comment-title = What do you see of { $service }?
comment-closed = Comments are closed at the moment.
comment-back = Back to the state of things
comment-open = Write a comment
comment-author = Your name (if you like)
comment-text = What do you see?
comment-hint = A person reads it before it is shown. Please leave out phone numbers and names of others.
comment-send = Send the comment
follow-title = Be told when it changes
follow-about = By e-mail, as a feed, or machine to machine.
follow-open = Ways to be told
follow-badge = Badge
follow-site = Go to { $service }

## Notices
notice-report-thanks = Thank you. Your report has been counted.
notice-reported-before = Your report is already counted. One counts per half hour.
notice-too-many = Very much is coming from your network just now, so this was not kept. Please try again later; measurements go on.
notice-form-expired = This form was too old or had been sent before. Please try once more.
notice-too-soon = That was faster than people usually are, so it was not counted. Please press once more.
notice-comment-waits = Thank you. A person will read your comment before it is shown.
notice-comment-refused = The comment was empty or too long. Please try again.
notice-subscribe-check-mail = Please open the link in the e-mail we have just sent you. Until then you get nothing from us.
notice-subscribed = Your address is confirmed. You will be told.
notice-unsubscribed = Your address is forgotten.
notice-address-refused = This does not look like an e-mail address. Please check it.
notice-link-unknown = This link leads to no subscription: it may be too old or have been used before. You can ask for a new one below.
notice-not-stored = We could not keep this at the moment. Please try again in a few minutes.

## Limits
banner-starting = This observatory has just been started and is reading what it knows.
banner-copy = This is a copy from { $at }, on a host that shares nothing with the observatory, { $observatory }. After three minutes it says nothing of now: load it again.
banner-stale = This page is from { $at } and has not been renewed since. What it says may be wrong by now.
limit-reconstruction-title = A reconstruction.
limit-reconstruction = This replays a day of the past at high speed, rebuilt from published facts. It is not happening now.
limit-clock-jump = Our clock is not right. Times on this page may be wrong, and the newest measurements may be missing.
limit-no-geo = We cannot tell places apart at the moment; answers are for the world only.
limit-disk-full = Our disk is full. We show the last state; new reports are not kept.
limit-store-failed = Our store fails. We show the last state; new reports are not kept.
limit-no-agents = None of our measuring agents is at work; answers rest on apps and reports.
limit-peer-down = Our second observatory does not answer; we are watching alone.

## How we know
how-title = How we know
how-lead = We count what people say, measure by ourselves, and weigh the two apart. Where we can be wrong, we say so, and we publish how often we were.
record-title = Our own record
record-summary = { $confirmed ->
    [0] No incident was confirmed in the last 90 days.
    [one] { $wrong ->
        [0] The one confirmed incident of the last 90 days was no false alarm.
       *[other] The one confirmed incident of the last 90 days was a false alarm.
    }
   *[other] { $wrong ->
        [0] None of the { $confirmed } confirmed incidents of the last 90 days was a false alarm.
        [one] { $wrong } of the { $confirmed } confirmed incidents of the last 90 days was a false alarm.
       *[other] { $wrong } of the { $confirmed } confirmed incidents of the last 90 days were false alarms.
    }
}
record-speed = { $n ->
    [one] Half of them were confirmed within { $n } minute of their beginning.
   *[other] Half of them were confirmed within { $n } minutes of their beginning.
}
record-about = Where an operator is at work, a person looks at every incident afterwards. What turns out to be nothing stays on these pages, marked as a false alarm.
how-signals-title = What we count
how-signals = Reports by people; attempts of apps, those that work as well as those that fail; live connections to our own cells; and measurements by agents in many networks. Everything is kept as numbers per minute, country and network.
how-confirm-title = When we say “confirmed”
how-confirm = Only a measurement confirms. When many people report and the measurements are normal, we say just that. An outage of one service makes people report others too: that echo is subtracted.
how-silence-title = When a place falls silent
how-silence = People who are cut off cannot report. So we also watch for silence: when the live connections of a place fall far below what they were ten minutes ago, we see it within minutes.
how-baseline-title = What is usual
how-baseline = Every hour of the week has its own usual number, learnt over weeks, without the hours of past incidents. Attempts that fail and countries that fall silent are watched within hours; what has to know the hour of the week waits for a week of history, and until then we say “learning”.
how-place-title = Service, provider or country
how-place = We look for the smallest area that explains what is seen, and test whether the rest is well. Where there is too little traffic to tell, we say that we cannot tell.
how-privacy-title = What we know about you
how-privacy = Your address is turned into a country and a network and then dropped. A country is shown from five reporters, a network from twenty. There are no cookies and nothing is loaded from elsewhere.
how-limits-title = What we cannot do
how-limits = We do not know why something fails. We see badly where few people are. And what is old we show in grey, never in green.

## Being told
subscribe-title = Be told
subscribe-lead = You hear from us when a measurement confirms an incident and when it is over; at most once in ten minutes about the same one.
subscribe-mail-title = By e-mail
subscribe-email = E-mail address
subscribe-service = Service
subscribe-service-all = All services
subscribe-country = Country
subscribe-country-all = All countries
subscribe-mail-hint = You confirm by a link that we send you. Every e-mail has a link that forgets you.
subscribe-send = Send me the link
subscribe-mail-closed = This observatory sends no e-mail at the moment. The feeds below work everywhere.
subscribe-feeds-title = As a feed
subscribe-feeds = Works in every feed reader, without an account.
subscribe-feeds-all = Everything
subscribe-feeds-country = For one country, add its two letters:
subscribe-hooks-title = Machine to machine
subscribe-hooks = Programs can set up signed webhooks by themselves, as the API description tells. Clients that read Statuspage documents read ours unchanged.
confirm-title = Do you want to be told?
confirm-lead = Press the button, and we write to your address from now on. Before you do, you get nothing from us.
confirm-send = Confirm
end-title = Do you want to hear no more from us?
end-lead = Press the button, and your address is forgotten.
end-send = Unsubscribe

## Nothing here
not-found-title = This page is not here
not-found = The address may be mistyped, or the incident is older than 90 days.
not-found-home = All services
unavailable-title = We have a fault of our own
unavailable = The observatory cannot answer this at the moment. That says nothing about the services it watches.

## Feeds, badges, status documents
feed-title = { $observatory }: incidents
feed-title-one = { $observatory }: { $about }
feed-title-both = { $observatory }: { $service }, { $country }
feed-subtitle = Confirmed and reported incidents, measured with evidence.
feed-entry-title = { $state }: { $headline }
feed-step = { $at }: { $text }
feed-cause = Cause: { $cause } (source: { $source })
badge-label = { $service }: { $health }

badge-stale = No fresh data
status-none = Everything we watch works
status-measured = What we can measure works; we cannot tell yet about { $services }
status-minor = Minor problems
status-major = Major problems
status-critical = Critical problems
status-stale = Our data is too old to tell
status-unknown = Nothing is measured at the moment
