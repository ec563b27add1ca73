//! What the world takes for granted of people and machines. Every figure here moves the results.
//!
//! Measured in the field are the peaks of reports of 19 July 2023, the echoes of 22 February 2024 and the nights of
//! Gabon in 2016. Everything else is an estimate without a source, the number of users behind those peaks included.

/// Share of all users with a live socket at the busiest hour. Phones keep one in the background, not all and not always.
pub const SOCKETS_AT_PEAK: f64 = 0.5;

/// How far sockets fall at night, as a share of the peak: phones stay on, laptops do not.
pub const SOCKETS_AT_NIGHT: f64 = 0.5;

/// How long a socket lives before the phone changes networks, minutes. It also smooths the gauge.
pub const SOCKET_LIFE_MINUTES: f64 = 40.0;

/// Of the sockets that a fault will take, how many the cell notices each minute: a cut network sends no FIN, the ping
/// has to time out.
pub const LOSS_NOTICED_PER_MINUTE: f64 = 0.6;

/// Of the sockets that can come back after a fault, how many do each minute: clients back off and spread.
pub const RETURN_PER_MINUTE: f64 = 0.35;

/// A live client is heard of once in so many minutes.
pub const HEARTBEAT_PERIOD_MINUTES: f64 = 5.0;

/// Of the attempts of a minute, how many are told in the next one: a client tells every 15 seconds, at any second, what the
/// 15 seconds before have been like, and counts in the minute in which it tells.
pub const TOLD_A_MINUTE_LATER: f64 = 0.3;

/// Beacons that one active user sends per minute about our own service: one attempt in fifty is sampled.
pub const OWN_BEACONS: f64 = 0.02;

/// The same about a service of others that takes part in error logging. Few do, and they sample more thinly.
pub const OTHER_BEACONS: f64 = 0.004;

/// Attempts that fail when nothing is wrong. Mobile networks lose about one in a hundred.
pub const USUAL_FAILURES: f64 = 0.01;

/// How many more attempts people make when attempts fail: phones try again.
pub const RETRIES: f64 = 1.0;

/// What still gets through a government's or a provider's cut: satellites, roaming, a border town.
pub const LEAK_OF_A_CUT: f64 = 0.03;

/// Share of attempts that a block inside one country makes fail: some people use a tunnel.
pub const BLOCKED_SHARE: f64 = 0.92;

/// Reports per active user and minute about a service where nothing is wrong: misunderstandings, broken phones, typos.
/// An estimate: at 20 million users some 25 a minute about a service that all of them use.
pub const USUAL_REPORTS: f64 = 2e-6;

/// Reports per affected active user and minute at the height of a fault. On 19 July 2023 the counters' peaks were
/// 177,000 in Great Britain and 37,000 in the United States. If a peak is the sum of a quarter of an hour, and 40 and
/// 75 million people used the service there (both are guesses), that is 3e-4 and 3e-5: the geometric mean of the two.
pub const FAULT_REPORTS: f64 = 1e-4;

/// How long people try again before they report, minutes (the time constant of the rise). On 19 July 2023 people noticed
/// within about five minutes.
pub const NOTICE_MINUTES: f64 = 4.0;

/// Who reported does not report again: the time constant of the fall, minutes.
pub const REPORT_FATIGUE_MINUTES: f64 = 60.0;

/// What other services get of a real outage's reports, least and most. On 22 February 2024 one carrier's 58,000 reports
/// came with 2,000 and 1,400 at two carriers that worked, and 700 at a third: 1.2 to 3.4 %.
pub const ECHO: (f64, f64) = (0.012, 0.034);

/// Of the people whose provider is cut, how many report from elsewhere (a neighbour's or an office's network), and blame
/// the carrier.
pub const CUT_OFF_BUT_HEARD: f64 = 0.05;

/// Reports per active user and minute, everywhere, when the news says that a service is down and it is not. A third of
/// a real fault's.
pub const PANIC_REPORTS: f64 = 3e-5;

/// Attempts rise by this share in a panic: people open the app to look.
pub const PANIC_ATTEMPTS: f64 = 0.3;

/// Reports per minute of a flood by bots, least and most, before any cap. The collector's caps are taken to have failed.
pub const FLOOD_REPORTS: (f64, f64) = (20.0, 500.0);

/// Attempts of one agent per minute, target and service.
pub const PROBE_ATTEMPTS: u32 = 3;

/// Attempts of an agent that fail when nothing is wrong.
pub const PROBE_FAILURES: f64 = 0.003;

/// How often one agent's own network goes bad without its noticing, times per day, for how many minutes, and the share
/// of its attempts that then fail.
pub const BAD_AGENT: (f64, f64, f64) = (0.15, 45.0, 0.6);

/// Countries' traffic is noisy by this coefficient of variation, least and most, over a quarter of an hour.
pub const NOISE_CV: (f64, f64) = (0.10, 0.30);

/// What the whole world's reports about one service have in common: news, time of the month.
pub const COMMON_CV: f64 = 0.10;

/// A network's share of its country varies by this coefficient.
pub const NETWORK_CV: f64 = 0.10;

/// The usual failures of a network drift by this, as the standard deviation of a logarithm, over hours.
pub const FAILURE_DRIFT: f64 = 0.4;

/// A third of the countries grows and a third shrinks by this share a day.
pub const GROWTH_PER_DAY: (f64, f64) = (0.010, -0.007);

/// At midnight of the new year people write so many times as much, and so many times as many attempts fail: networks
/// congest.
pub const NEW_YEAR: (f64, f64) = (4.0, 3.0);

/// Sizes of countries, and of networks in one, fall with these powers of their rank.
pub const ZIPF: (f64, f64) = (1.0, 1.2);

/// A network with fewer users than this in it is counted as "unknown network" of its country: a cell exports nothing
/// that singles out one phone.
pub const FEWEST_USERS: f64 = 10.0;
