# L’observatoire en français. Les clés sont section-élément ; les deux langues ont les mêmes.

## Autour de chaque page
title = { $page } · { $observatory }
skip = Aller à la réponse
nav-label = Pages
nav-subscribe = Être prévenu
nav-how = Comment nous savons
footer-fresh = État : { $at }, numéro { $seq }.
footer-utc = Les heures sont en UTC.
footer-copies = Si cette page ne répond pas :
footer-api = Description de l’API
footer-statuspage = Document d’état
theme-auto = Comme l’appareil
theme-light = Clair
theme-dark = Sombre
number = { $n }
percent = { $n } %
list-last = { $head } et { $last }
list-more = { $head }, { $next }
list-others = { $n ->
    [one] { $n } autre
   *[other] { $n } autres
}

## Heures
time-clock = { $hour }:{ $minute } UTC
time-date = { $day ->
    [1] 1er
   *[other] { $day }
} { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
} { $year }
time-moment = le { $date } à { $clock }
ago-seconds = il y a { $n ->
    [one] { $n } seconde
   *[other] { $n } secondes
}
ago-minutes = il y a { $n ->
    [one] { $n } minute
   *[other] { $n } minutes
}
ago-hours = il y a { $n ->
    [one] { $n } heure
   *[other] { $n } heures
}
ago-days = il y a { $n ->
    [one] { $n } jour
   *[other] { $n } jours
}
duration-minutes = { $n } min
duration-hours = { $h } h { $m } min
duration-days = { $d } j { $h } h

## Lieux
there-world = dans le monde entier
there-network = sur le réseau AS{ $asn } { $there }
there-cell = sur notre cellule { $cell }
place-world = Le monde
place-network = AS{ $asn }, { $country }
place-cell = Cellule { $cell }

## Santé et états
health-unknown = Sans données
health-up = Fonctionne
health-reported = Signalements
health-degraded = Panne partielle
health-down = En panne
state-up-but-in = Problèmes : { $place }
state-up-but = Problèmes à { $count } endroits
state-suspected = En vérification
state-reported = Signalé
state-confirmed = Confirmé
state-recovering = En rétablissement
state-resolved = Terminé
state-false-alarm = Fausse alerte
signal-reports = Signalements
signal-beacon = Tentatives d’applications en échec
signal-heartbeat = Applications actives
signal-gauge = Connexions ouvertes
signal-probe = Mesures en échec
signal-official = Annonce du service

## Réponses sur le monde
world-up = Non. { $service } fonctionne.
world-up-but = Pas partout. { $service } fonctionne presque partout ; nous voyons des problèmes : { $places }.
world-reported = Ce n’est pas clair. Des personnes signalent des problèmes avec { $service } ; nos mesures sont normales.
world-reported-unmeasured = Ce n’est pas clair. Des personnes signalent des problèmes avec { $service } ; nous ne le mesurons pas en ce moment.
world-degraded = En partie. { $service } échoue pour certaines personnes.
world-degraded-since = En partie. { $service } échoue pour certaines personnes depuis { $since }.
world-down = Oui. { $service } est en panne.
world-down-since = Oui. { $service } est en panne depuis { $since }.
world-unknown = Nous ne pouvons pas encore le dire. { $service } n’a pas encore été mesuré.
world-unknown-lately = Nous ne pouvons pas le dire. { $service } n’a pas été mesuré récemment.
world-unclear = Nous ne pouvons pas le dire. Ce que nous mesurons de { $service } ne dit pas s’il fonctionne.
world-checking = Nous vérifions. Quelque chose d’inhabituel se passe avec { $service } depuis { $since }.
world-failing = Peut-être. La plupart de nos mesures de { $service } échouent, mais nous ne savons pas encore ce qui est habituel.
answer-starting = Nous ne pouvons pas encore le dire.
world-stale = Nous ne pouvons pas le dire. Nos dernières données : { $ago }.

## Réponses sur le lieu de la personne
here-starting = Revenez dans un instant.
here-stale = Cette page est trop ancienne pour être fiable. Réessayez dans quelques minutes.
here-no-place = Nous ne savons pas où vous êtes : voici la réponse pour le monde.
here-no-place-down = Ce n’est pas vous. Ne redémarrez pas votre box.
here-connectivity = Pour vous, { $there } : des réseaux ont perdu leur connectivité depuis { $since }. Ce n’est pas vous. Ne redémarrez pas votre box.
here-provider = Pour vous, { $there } : votre réseau a perdu sa connectivité depuis { $since }. Ce n’est pas votre appareil ; un autre réseau peut fonctionner.
here-blocked = Pour vous, { $there } : { $service } est hors d’atteinte depuis { $since }, alors que d’autres services répondent. Ce n’est pas votre appareil.
here-service = Pour vous, { $there } : le problème vient du service, depuis { $since }. Ce n’est pas vous. Ne redémarrez pas votre box.
here-service-network = Pour vous, { $there } : { $service } échoue sur votre réseau depuis { $since }. Ce n’est pas votre appareil ; un autre réseau peut fonctionner.
here-reported = Pour vous, { $there } : des personnes signalent des problèmes depuis { $since } ; nos mesures sont normales.
here-reported-unmeasured = Pour vous, { $there } : des personnes signalent des problèmes depuis { $since } ; nous n’y mesurons rien en ce moment.
here-recovering = Pour vous, { $there } : la situation s’améliore. Des tentatives échouent encore.
here-up = Pour vous, { $there } : { $service } fonctionne d’après nos mesures. Si l’échec ne touche que vous, commencez par votre connexion.
here-reported-place = Pour vous, { $there } : des personnes signalent des problèmes ; nos mesures sont normales.
here-reported-place-unmeasured = Pour vous, { $there } : des personnes signalent des problèmes ; nous n’y mesurons rien en ce moment.
here-fails = Pour vous, { $there } : des tentatives échouent. Cela ne touche pas que vous.
here-unknown = Pour vous, { $there } : nous avons trop peu de données pour le dire.
here-unknown-down = Pour vous, { $there } : nous avons trop peu de données pour le dire, mais le service échoue ailleurs. Ne redémarrez pas votre box.
fresh = Mesuré { $ago }.
fresh-board = Établi { $ago }.
fresh-never = Rien n’a encore été mesuré.
learning = Nous apprenons encore ce qui est habituel ici : ce qui dépend de l’heure de la semaine attend une semaine d’historique.
learning-short = En apprentissage.

## Première page
home-question = Y a-t-il une panne ?
home-description = Ce qui est en panne, pour qui, où et depuis quand : mesuré, preuves à l’appui.
home-up = Non. Tout ce que nous observons fonctionne.
home-up-but = Pas partout. Tout ce que nous observons fonctionne presque partout ; nous voyons des problèmes : { $places }.
home-measured = Ce que nous pouvons mesurer fonctionne. Nous ne pouvons pas encore nous prononcer sur { $services }.
home-measured-but = Pas partout. Ce que nous pouvons mesurer fonctionne presque partout ; nous voyons des problèmes : { $places }. Nous ne pouvons pas encore nous prononcer sur { $services }.
home-reported = Ce n’est pas clair. Des personnes signalent des problèmes avec { $services } ; nos mesures sont normales.
home-reported-unmeasured = Ce n’est pas clair. Des personnes signalent des problèmes avec { $services } ; aucune mesure ne le confirme.
home-down = Oui. Nous mesurons des problèmes avec { $services }.
home-unknown = Nous ne pouvons pas le dire. Rien n’est mesuré en ce moment.
home-unclear = Nous ne pouvons pas le dire en ce moment. Voici ce que nous savons de chaque service.
home-here = Pour vous : { $headline }.
home-stale = Nous ne pouvons pas le dire. Nos dernières données : { $ago }.
home-now = En ce moment
home-services = Services
home-recent = Avant

## Un service
service-question = { $service } est en panne ?
service-description = { $service } est en panne, pour vous et dans le monde ? Mesures et signalements des dernières 24 heures.
report-title = Un problème avec { $service } ?
report-how = Un geste suffit. Nous gardons votre pays et votre réseau, jamais votre adresse.
report-count = { $n ->
    [0] Aucun signalement depuis une heure.
    [one] { $n } signalement depuis une heure.
   *[other] { $n } signalements depuis une heure.
}
report-thanks = Merci. Votre signalement compte dès la prochaine minute ; { $n ->
    [0] vous êtes la première personne depuis une heure.
    [one] { $n } signalement l’a précédé depuis une heure.
   *[other] { $n } signalements l’ont précédé depuis une heure.
} Les signalements seuls ne confirment jamais une panne : nous les comparons à nos mesures.
report-closed = Les signalements sont fermés pour le moment. Les mesures continuent.
report-busy = Envoi de votre signalement…
report-failed = Votre signalement n’a pas pu être envoyé. Réessayez.
problem-send = Envoi
problem-receive = Réception
problem-connect-app = L’application ne se connecte pas
problem-connect-web = Le site ne s’ouvre pas
problem-login = Connexion au compte
problem-calls = Appels
problem-media = Photos et fichiers
problem-other = Autre chose
problems-title = Ce que l’on signale
problems-caption = { $n ->
    [one] { $n } signalement depuis une heure, par problème
   *[other] { $n } signalements depuis une heure, par problème
}
problems-none = Personne n’a signalé de problème depuis une heure.

## Graphique
day-title = Les dernières 24 heures
chart-nothing = Il n’y a pas encore d’historique.
chart-reports = Signalements par 5 minutes
chart-scale = jusqu’à { $n }
chart-reports-label = Graphique des signalements sur 24 heures
chart-failures = Tentatives en échec
chart-failures-label = Graphique des tentatives en échec sur 24 heures
chart-summary-reports = { $total ->
    [one] { $total } signalement
   *[other] { $total } signalements
} en 24 heures, au plus { $peak } en cinq minutes à { $at }, contre environ { $usual } d’habitude.
chart-summary-reports-only = { $total ->
    [one] { $total } signalement
   *[other] { $total } signalements
} en 24 heures, au plus { $peak } en cinq minutes à { $at }.
chart-summary-no-reports = Le nombre de signalements n’est pas connu.
chart-summary-failures = Au pire, { $percent } % des tentatives ont échoué, à { $at }.
chart-summary-unmeasured = Les tentatives n’ont pas été mesurées.
chart-table-open = La même chose en tableau
chart-table-caption = Les dernières 24 heures, heure par heure
legend-reports = Signalements
legend-usual = Niveau habituel
legend-failures = Tentatives en échec
legend-incident = Incident
legend-official = Le service l’a dit
column-hour = À partir de
column-reports = Signalements en 1 h
column-usual = Habituel
column-failures = Échecs
column-place = Lieu
column-state = État
column-networks = Réseaux coupés
column-day = Jour
column-worst = Au pire
column-down = Durée de panne
column-target = Cible
column-vantage = Vu depuis
column-result = Résultat
column-seen-by = Vu par
column-signal = Signal
column-observed = Vu
column-window = En
column-llr = Poids
history-title = 90 jours
history-nothing = Il n’y a pas encore d’historique.
history-summary = { $watched ->
    [one] { $watched } jour observé
   *[other] { $watched } jours observés
}, { $bad ->
    [0] aucun avec des problèmes
    [one] { $bad } avec des problèmes
   *[other] { $bad } avec des problèmes
} ; en panne dans le monde pendant { $down } au total.
history-label = Graphique des 90 derniers jours : plus la barre est haute, plus le jour est mauvais
history-from = il y a 90 jours
history-to = aujourd’hui
history-table-open = Jours avec des problèmes
history-table-caption = Jours avec des problèmes, les plus récents d’abord

## Carte et réseaux
map-title = Où
map-label = Carte du monde par état ; le tableau ci-dessous dit la même chose
map-country = { $place } : { $health }
map-nothing = Il y a trop peu de données pour un pays en particulier.
map-table-open = La même chose en tableau
map-table-caption = Pays, les plus touchés d’abord
map-table-more = { $n ->
    [one] { $n } autre pays n’est pas montré ici.
   *[other] { $n } autres pays ne sont pas montrés ici.
}
networks-of = { $down } sur { $measured }
networks-title = Réseaux { $there }
networks-title-world = Réseaux touchés
networks-own = Le vôtre : { $name } (AS{ $asn })
networks-none = Il y a trop peu de données pour un réseau en particulier.
networks-none-world = Aucun réseau ne se distingue.

## Mesures et signalements
measured-title = Mesures et signalements
measured-people = Les personnes
measured-people-value = { $n ->
    [one] { $n } signalement depuis une heure, contre { $usual } d’habitude
   *[other] { $n } signalements depuis une heure, contre { $usual } d’habitude
}
measured-people-only = { $n ->
    [one] { $n } signalement depuis une heure
   *[other] { $n } signalements depuis une heure
}
measured-machines = Les mesures
measured-machines-value = { $n } % des tentatives échouent
measured-machines-none = Rien de mesuré
targets-unmeasured = Aucune cible n’est encore mesurée
targets-caption = { $up ->
    [0] Aucune cible sur { $all } connue pour fonctionner
    [one] { $up } cible sur { $all } fonctionne
   *[other] { $up } cibles sur { $all } fonctionnent
}, { $down } en panne
target-required = nécessaire
target-unmeasured = non mesurée
target-networks = { $down ->
    [one] en panne pour { $down } réseau sur { $n }
   *[other] en panne pour { $down } réseaux sur { $n }
}
target-few = mesurée depuis { $n ->
    [one] { $n } réseau
   *[other] { $n } réseaux
}, moins de { $enough }
probes-label = Mesures des agents
probes-caption = { $failed ->
    [one] { $failed } mesure sur { $all } échoue
   *[other] { $failed } mesures sur { $all } échouent
}
probes-none = Aucun agent ne mesure ce service pour le moment.
probe-ok = fonctionne, { $ms } ms
probe-ok-untimed = fonctionne
probe-failed = échoue
probe-failed-phase = échoue à cette étape : { $phase }
phase-dns = résolution du nom
phase-tcp = connexion
phase-tls = chiffrement
phase-http = réponse
phase-websocket = connexion continue
phase-session = session

## Incidents
incidents-title = Incidents
incidents-none = Aucun incident depuis 90 jours.
incidents-none-since = Aucun incident depuis le début de nos observations, le { $date }.
incidents-none-unwatched = Aucun incident jusqu’ici. Nos observations commencent à peine.
incident-checking = Quelque chose d’inhabituel { $there } depuis { $since }. Nous vérifions ; rien n’est annoncé.
incident-open = Tout savoir
what-connectivity = Perte de connectivité { $there }
what-connectivity-networks = Perte de connectivité { $there }, { $measured ->
    [one] { $down } sur { $measured } réseau mesuré
   *[other] { $down } des { $measured } réseaux mesurés
}
what-blocked = { $services } hors d’atteinte { $there }, d’autres services répondent
what-reports = Des personnes signalent des problèmes avec { $services } { $there } ; nos mesures sont normales
what-reports-unmeasured = Des personnes signalent des problèmes avec { $services } { $there } ; aucune mesure ne le confirme
what-reports-past = Des personnes ont signalé des problèmes avec { $services } { $there } ; aucune mesure ne l’a confirmé
what-service = { $count ->
    [one] { $services } échoue { $there }
   *[other] { $services } échouent { $there }
}
what-service-lost = { $count ->
    [one] { $services } a perdu environ { $percent } % de ses connexions { $there }
   *[other] { $services } ont perdu environ { $percent } % de leurs connexions { $there }
}
what-service-impact = { $count ->
    [one] { $services } échoue { $there }, environ { $percent } % des tentatives
   *[other] { $services } échouent { $there }, environ { $percent } % des tentatives
}
headline-open = { $what }, depuis { $since }
headline-recovering = { $what }, depuis { $since } ; la situation s’améliore
headline-wrong = { $what }, début : { $from }
headline-past = { $what }, début : { $from }, fin : { $to }
delays-both = Vu après { $seen } ; le service l’a dit après { $said }.
delays-said-before = Vu après { $seen } ; le service l’avait dit avant.
delays-unsaid = Vu après { $seen } ; le service ne l’a pas dit.
false-alarm = Une fausse alerte : une personne a constaté que tout allait bien. Elle reste ici et compte contre nous.
scope-uncertain = Il y a trop peu de trafic dans le reste du pays pour distinguer un opérateur de l’ensemble.
update-suspected = Quelque chose d’inhabituel a été vu.
update-reported = Des personnes signalent des problèmes ; aucune mesure ne le confirme.
update-confirmed = Les mesures le confirment.
update-recovering = La situation s’améliore.
update-resolved = C’est terminé.
update-state-scope = { $state } : { $place }
update-scope = Concerne maintenant : { $place }
update-none = Nouvelle vérification.
steps-title = Ce qui s’est passé
steps-none = Rien n’a encore été noté.
evidence-title = Preuves
evidence-caption = Ce qui a été vu, comparé à ce qui serait habituel
evidence-none = Aucune preuve n’est enregistrée.
evidence-hint = Le poids dit à quel point une panne rend plus vraisemblable ce qui a été vu ; c’est un logarithme. Les signaux sont pesés séparément, car ils tombent en panne séparément.
evidence-targets = Ce que les agents ne pouvaient atteindre, au moment où le plus de réseaux le disaient
facts-title = Faits
fact-place = Où
fact-services = Services
fact-started = Début
fact-detected = Vu par nous
fact-confirmed = Confirmé par une mesure
fact-acknowledged = Le service l’a dit
fact-resolved = Fin
fact-impact = Part en échec
cause-title = Cause
cause-source = Source :
cause-unknown = Nous mesurons ce qui arrive, pas pourquoi. Une cause est écrite ici par une personne, avec sa source.

## Commentaires et suivi
comments-title = Commentaires
comments-none = Pas encore de commentaire.
comment-anonymous = Quelqu’un
comment-title = Que voyez-vous de { $service } ?
comment-closed = Les commentaires sont fermés pour le moment.
comment-back = Retour à l’état du service
comment-open = Écrire un commentaire
comment-author = Votre nom (si vous le souhaitez)
comment-text = Que voyez-vous ?
comment-hint = Une personne le lit avant qu’il soit montré. N’indiquez ni numéro de téléphone ni nom d’autres personnes.
comment-send = Envoyer le commentaire
follow-title = Être prévenu des changements
follow-about = Par e-mail, par un flux, ou de machine à machine.
follow-open = Comment être prévenu
follow-badge = Badge
follow-site = Aller sur { $service }

## Avis
notice-report-thanks = Merci. Votre signalement est compté.
notice-reported-before = Votre signalement est déjà compté. Un seul compte par demi-heure.
notice-too-many = Beaucoup d’envois viennent de votre réseau en ce moment : celui-ci n’a pas été gardé. Réessayez plus tard ; les mesures continuent.
notice-form-expired = Ce formulaire était trop ancien ou avait déjà été envoyé. Essayez encore une fois.
notice-too-soon = C’était plus rapide que ne le ferait une personne : rien n’a été compté. Appuyez encore une fois.
notice-comment-waits = Merci. Une personne lira votre commentaire avant qu’il soit montré.
notice-comment-refused = Le commentaire était vide ou trop long. Réessayez.
notice-subscribe-check-mail = Ouvrez le lien de l’e-mail que nous venons de vous envoyer. D’ici là, vous ne recevrez rien de nous.
notice-subscribed = Votre adresse est confirmée. Vous serez prévenu.
notice-unsubscribed = Votre adresse est oubliée.
notice-address-refused = Ceci ne ressemble pas à une adresse e-mail. Vérifiez-la.
notice-link-unknown = Ce lien ne mène à aucun abonnement : il est peut-être trop ancien ou a déjà servi. Vous pouvez en demander un nouveau ci-dessous.
notice-not-stored = Nous n’avons pas pu garder ceci pour le moment. Réessayez dans quelques minutes.

## Limites
banner-starting = Cet observatoire vient de démarrer et lit ce qu’il sait.
banner-copy = Ceci est une copie ({ $at }), sur un hôte qui ne partage rien avec l’observatoire, { $observatory }. Après trois minutes, elle ne dit plus rien du présent : rechargez-la.
banner-stale = Dernier état de cette page : { $at }. Elle n’a pas été renouvelée depuis. Ce qu’elle dit peut être faux à présent.
limit-reconstruction-title = Une reconstitution.
limit-reconstruction = Ceci rejoue en accéléré un jour du passé, reconstitué à partir de faits publiés. Cela ne se passe pas maintenant.
limit-clock-jump = Notre horloge n’est pas juste. Des heures de cette page peuvent être fausses, et les dernières mesures peuvent manquer.
limit-no-geo = Nous ne pouvons pas distinguer les lieux pour le moment ; les réponses valent pour le monde.
limit-disk-full = Notre disque est plein. Nous montrons le dernier état ; les nouveaux signalements ne sont pas gardés.
limit-store-failed = Notre stockage est en panne. Nous montrons le dernier état ; les nouveaux signalements ne sont pas gardés.
limit-no-agents = Aucun de nos agents de mesure n’est au travail ; les réponses reposent sur les applications et les signalements.
limit-peer-down = Notre second observatoire ne répond pas ; nous observons seuls.

## Comment nous savons
how-title = Comment nous savons
how-lead = Nous comptons ce que l’on nous dit, nous mesurons nous-mêmes et nous pesons les deux séparément. Là où nous pouvons nous tromper, nous le disons, et nous publions combien de fois c’est arrivé.
record-title = Notre propre bilan
record-summary = { $confirmed ->
    [0] Aucun incident n’a été confirmé ces 90 derniers jours.
    [one] { $wrong ->
        [0] Le seul incident confirmé des 90 derniers jours n’était pas une fausse alerte.
       *[other] Le seul incident confirmé des 90 derniers jours était une fausse alerte.
    }
   *[other] { $wrong ->
        [0] Aucun des { $confirmed } incidents confirmés des 90 derniers jours n’était une fausse alerte.
        [one] { $wrong } des { $confirmed } incidents confirmés des 90 derniers jours était une fausse alerte.
       *[other] { $wrong } des { $confirmed } incidents confirmés des 90 derniers jours étaient de fausses alertes.
    }
}
record-speed = { $n ->
    [one] La moitié a été confirmée en moins de { $n } minute après le début.
   *[other] La moitié a été confirmée en moins de { $n } minutes après le début.
}
record-about = Là où un opérateur est à l’œuvre, une personne relit chaque incident après coup. Ce qui n’était rien reste sur ces pages, marqué comme fausse alerte.
how-signals-title = Ce que nous comptons
how-signals = Les signalements ; les tentatives des applications, celles qui réussissent comme celles qui échouent ; les connexions ouvertes vers nos cellules ; et les mesures d’agents dans de nombreux réseaux. Tout est gardé en nombres par minute, pays et réseau.
how-confirm-title = Quand nous disons « confirmé »
how-confirm = Seule une mesure confirme. Quand beaucoup de personnes signalent et que les mesures sont normales, nous disons exactement cela. La panne d’un service en fait signaler d’autres : cet écho est retranché.
how-silence-title = Quand un lieu se tait
how-silence = Qui est coupé ne peut pas signaler. Nous guettons donc aussi le silence : quand les connexions ouvertes d’un lieu tombent bien en dessous de ce qu’elles étaient dix minutes plus tôt, nous le voyons en quelques minutes.
how-baseline-title = Ce qui est habituel
how-baseline = Chaque heure de la semaine a son nombre habituel, appris sur des semaines, sans les heures des incidents passés. Les tentatives qui échouent et les pays qui se taisent sont observés au bout de quelques heures ; ce qui doit connaître l’heure de la semaine attend une semaine d’historique, et d’ici là nous disons « en apprentissage ».
how-place-title = Service, opérateur ou pays
how-place = Nous cherchons la plus petite zone qui explique ce qui est vu, et vérifions que le reste va bien. Quand il y a trop peu de trafic, nous disons que nous ne pouvons pas trancher.
how-privacy-title = Ce que nous savons de vous
how-privacy = Votre adresse est changée en un pays et un réseau, puis oubliée. Un pays est montré à partir de cinq signalements, un réseau à partir de vingt. Il n’y a pas de cookie et rien n’est chargé d’ailleurs.
how-limits-title = Ce que nous ne pouvons pas
how-limits = Nous ne savons pas pourquoi quelque chose échoue. Nous voyons mal là où il y a peu de monde. Et ce qui est ancien est montré en gris, jamais en vert.

## Être prévenu
subscribe-title = Être prévenu
subscribe-lead = Nous vous écrivons quand une mesure confirme un incident et quand il est terminé ; au plus une fois en dix minutes pour le même.
subscribe-mail-title = Par e-mail
subscribe-email = Adresse e-mail
subscribe-service = Service
subscribe-service-all = Tous les services
subscribe-country = Pays
subscribe-country-all = Tous les pays
subscribe-mail-hint = Vous confirmez par un lien que nous vous envoyons. Chaque e-mail contient un lien qui vous oublie.
subscribe-send = Recevoir le lien
subscribe-mail-closed = Cet observatoire n’envoie pas d’e-mail pour le moment. Les flux ci-dessous fonctionnent partout.
subscribe-feeds-title = Par un flux
subscribe-feeds = Fonctionne dans tout lecteur de flux, sans compte.
subscribe-feeds-all = Tout
subscribe-feeds-country = Pour un seul pays, ajoutez ses deux lettres :
subscribe-hooks-title = De machine à machine
subscribe-hooks = Un programme peut mettre en place lui-même des webhooks signés, comme le dit la description de l’API. Les clients qui lisent les documents Statuspage lisent les nôtres tels quels.
confirm-title = Voulez-vous être prévenu ?
confirm-lead = Appuyez sur le bouton, et nous écrirons désormais à votre adresse. D’ici là, vous ne recevrez rien de nous.
confirm-send = Confirmer
end-title = Ne voulez-vous plus rien recevoir de nous ?
end-lead = Appuyez sur le bouton, et votre adresse sera oubliée.
end-send = Se désabonner

## Rien ici
not-found-title = Cette page n’est pas ici
not-found = L’adresse est peut-être mal tapée, ou l’incident a plus de 90 jours.
not-found-home = Tous les services
unavailable-title = Nous avons notre propre panne
unavailable = L’observatoire ne peut pas répondre pour le moment. Cela ne dit rien des services qu’il observe.

## Flux, badges, documents d’état
feed-title = { $observatory } : incidents
feed-title-one = { $observatory } : { $about }
feed-title-both = { $observatory } : { $service }, { $country }
feed-subtitle = Incidents confirmés et signalés, mesurés, preuves à l’appui.
feed-entry-title = { $state } : { $headline }
feed-step = { $at } : { $text }
feed-cause = Cause : { $cause } (source : { $source })
badge-label = { $service } : { $health }

badge-stale = Pas de données récentes
status-none = Tout ce que nous observons fonctionne
status-measured = Ce que nous pouvons mesurer fonctionne ; nous ne pouvons pas encore nous prononcer sur { $services }
status-minor = Problèmes mineurs
status-major = Problèmes majeurs
status-critical = Problèmes critiques
status-stale = Nos données sont trop anciennes pour le dire
status-unknown = Rien n’est mesuré en ce moment
