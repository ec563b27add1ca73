# Mbolo en français. Les clés sont section-élément ; les deux langues ont les mêmes.

## Première page
welcome-title = Bienvenue sur Mbolo
welcome-about = Des messages qui arrivent. Choisissez un identifiant et c’est parti : ni numéro, ni e-mail.
welcome-invited = @{ $handle } vous invite à discuter. Choisissez un identifiant et c’est parti.
sign-up-handle = Identifiant
sign-up-handle-hint = Pour que l’on vous trouve : lettres, chiffres, _ et .
sign-up-name = Votre nom
sign-up-invite = Code d’invitation
sign-up-submit = Créer le compte
sign-up-busy = Création de votre compte…
sign-up-recover = J’ai déjà un compte
recover-phrase = Phrase de récupération
recover-hint = Les 24 mots que vous avez conservés, dans l’ordre.
recover-submit = Utiliser mon compte ici
recover-back = Créer un nouveau compte
recover-done = Votre compte est maintenant sur cet appareil. Vos discussions reviennent.

## Liste des discussions
chats-label = Discussions
chats-divider = Largeur de la liste des discussions
chats-search = Chercher une discussion
chats-none-found = Aucune discussion ne porte ce nom.
chats-link-unread = { $name }, { $count ->
    [one] { $count } message non lu
   *[other] { $count } messages non lus
}
preview-empty = Pas encore de message
preview-joining = En préparation
preview-unreadable = Un message qui ne peut pas être affiché
preview-you = Vous : { $text }
preview-person = { $name } : { $text }
recovery-remind-label = Phrase de récupération
recovery-remind = Conservez votre phrase de récupération. Elle vous rend votre compte si vous perdez cet appareil.
recovery-remind-view = Voir
recovery-remind-later = Plus tard

## Nouvelle discussion, nouveau groupe
new-chat-open = Nouvelle discussion
new-chat-title = Nouvelle discussion
new-chat-handle = Identifiant ou lien
new-chat-hint = Par exemple awa, ou un lien que l’on vous a envoyé.
new-chat-submit = Commencer la discussion
new-chat-scan = Scanner un code QR
new-chat-own = Montrer mon code QR
group-unnamed = Groupe sans nom
group-of = { $names }
group-of-more = { $count ->
    [one] { $names } et { $count } autre
   *[other] { $names } et { $count } autres
}
new-group-open = Nouveau groupe
new-group-title = Nouveau groupe
new-group-name = Nom du groupe
new-group-submit = Créer le groupe
picker-label = Membres
picker-hint = Tapez un identifiant puis Entrée. Vous pourrez ajouter d’autres personnes plus tard.
picker-remove = Retirer @{ $handle }
picker-invalid = « { $text } » n’est pas un identifiant. Un identifiant a de 3 à 35 lettres (a à z), chiffres, _ et . et commence par une lettre.
picker-nobody = Choisissez d’abord quelqu’un : tapez un identifiant puis Entrée.
picker-known = Vos contacts
add-member-open = Ajouter un membre
add-member-title = Ajouter des membres
add-member-submit = Ajouter au groupe
scan-label = Caméra
scan-hint = Dirigez la caméra vers un code QR Mbolo.
scan-refused = La caméra n’est pas disponible. Vous pouvez taper l’identifiant.
forward-title = Transférer à
forward-done = Message transféré.

## Invitation
invite-label = Invitation
invite-title = Dites mbolo à quelqu’un
invite-about = Qui ouvre votre lien ou scanne votre code peut vous écrire.
invite-qr = Code QR de votre lien
invite-copy = Copier le lien
invite-share = Partager
invite-copied = Lien copié.
invite-message = Écrivez-moi sur Mbolo :
invite-or = Vous connaissez l’identifiant de quelqu’un ?
invite-start = Commencer une discussion
invited-title = Écrire à @{ $handle } ?
invited-about = Cette personne verra aussitôt cette discussion, avec votre nom, { $name }, et votre identifiant, @{ $handle } : avant même que vous ayez écrit.
invited-keep = Pas maintenant

## Conversation
conversation-none = Choisissez une discussion.
conversation-unknown = Cette discussion n’est pas sur cet appareil.
conversation-back = Retour aux discussions
conversation-empty = Pas encore de message. Écrivez le premier.
conversation-beginning = Les messages sont chiffrés de bout en bout. Seules les personnes de cette discussion peuvent les lire.
conversation-waiting = Mise à jour en cours…
conversation-joining = Cette discussion se prépare. Vous pouvez déjà écrire.
conversation-left = Vous avez quitté ce groupe. Vous pouvez encore le lire.
conversation-removed = Vous avez été retiré de ce groupe. Vous pouvez encore lire ce qui précède.
messages-label = Messages
messages-unread = Messages non lus
day-today = Aujourd’hui
day-yesterday = Hier
jump-latest = Aller au dernier message
jump-latest-count = { $count ->
    [one] Aller au dernier message, { $count } nouveau
   *[other] Aller au dernier message, { $count } nouveaux
}
typing-one = { $name } écrit…
typing-two = { $first } et { $second } écrivent…
typing-many = { $count } personnes écrivent…

## Messages
message-you = Vous
message-name = { $sender }, { $time }
message-name-state = { $sender }, { $time }, { $state }
message-edited = modifié
message-deleted = Ce message a été supprimé.
message-undecryptable = Ce message n’a pas pu être déchiffré sur cet appareil. Il a été redemandé.
message-newer-version = Ce message demande une version plus récente de Mbolo. Rechargez l’application pour l’obtenir.
message-quote-gone = Message indisponible
message-failed = Non envoyé.
message-retry = Réessayer
message-actions = Actions du message
message-copied = Message copié.
action-reply = Répondre
action-react = Réagir
action-edit = Modifier
action-delete = Supprimer
delete-title = Supprimer ce message ?
delete-about = Il sera supprimé pour toutes les personnes de cette discussion, sur tous leurs appareils.
delete-keep = Garder
delete-submit = Supprimer
action-forward = Transférer
action-copy = Copier
action-info = Informations
reaction-name = { $emoji } de { $names }
reaction-other = Un autre emoji
copy-refused = Le navigateur n’a pas autorisé la copie.
state-waiting = En attente
state-sent = Envoyé
state-delivered = Distribué
state-read = Lu
state-failed = Échec
info-title = Informations du message
info-read = Lu par
info-delivered = Distribué à
info-waiting = Pas encore distribué à

## Rédaction
composer-label = Message
composer-placeholder = Écrivez un message
composer-send = Envoyer
composer-replying = Réponse à { $name }
composer-editing = Modifier le message
composer-cancel = Annuler
composer-too-long = C’est trop long pour un seul message. Raccourcissez-le ou envoyez-le en plusieurs fois.

## Détails
details-open-group = Détails du groupe
details-open-person = Détails de la discussion
details-group = Détails du groupe
details-person = Détails de la discussion
details-close = Fermer les détails
details-encrypted = Chiffré de bout en bout. Le serveur ne voit ni les messages ni les noms.
details-name = Nom du groupe
details-rename = Renommer
members-label = Membres
members-count = { $count ->
    [one] { $count } membre
   *[other] { $count } membres
}
members-you = { $name } (vous)
members-admin = Admin
members-promote = Nommer admin
members-promote-name = Nommer admin : { $name }
members-demote = Retirer le rôle d’admin
members-demote-name = Retirer le rôle d’admin : { $name }
members-remove = Retirer
members-remove-name = Retirer { $name }
remove-title = Retirer { $name } du groupe ?
remove-about = Cette personne garde ce qu’elle a et ne recevra plus de messages de ce groupe.
remove-keep = Garder
remove-submit = Retirer
leave-open = Quitter le groupe
leave-title = Quitter ce groupe ?
leave-about = Vous n’en recevrez plus de messages. Ceux que vous avez restent sur cet appareil.
leave-stay = Rester
leave-submit = Quitter

## Événements d’un groupe
event-created = { $own ->
    [yes] Vous avez créé le groupe
   *[no] { $who } a créé le groupe
}
event-added = { $own ->
    [yes] Vous avez ajouté { $names }
   *[no] { $who } a ajouté { $names }
}
event-added-you = { $who } vous a ajouté
event-added-you-and = { $who } vous a ajouté, avec { $names }
event-removed = { $own ->
    [yes] Vous avez retiré { $name }
   *[no] { $who } a retiré { $name }
}
event-removed-you = { $who } vous a retiré
event-left = { $own ->
    [yes] Vous avez quitté le groupe
   *[no] { $who } a quitté le groupe
}
event-promoted = { $own ->
    [yes] Vous avez nommé { $name } admin
   *[no] { $who } a nommé { $name } admin
}
event-promoted-you = { $who } vous a nommé admin
event-promoted-itself = { $own ->
    [yes] Vous êtes maintenant admin
   *[no] { $name } est maintenant admin
}
event-demoted = { $own ->
    [yes] Vous avez retiré le rôle d’admin à { $name }
   *[no] { $who } a retiré le rôle d’admin à { $name }
}
event-demoted-you = { $who } vous a retiré le rôle d’admin
event-demoted-itself = { $own ->
    [yes] Vous n’êtes plus admin
   *[no] { $name } n’est plus admin
}
event-renamed = { $own ->
    [yes] Vous avez nommé le groupe « { $name } »
   *[no] { $who } a nommé le groupe « { $name } »
}

## Changements d’un groupe qui n’auront pas lieu
change-failed-add = Ajout impossible dans « { $group } » : { $names }. { $reason }
change-failed-remove = Retrait impossible de « { $group } » : { $names }. { $reason }
change-failed-promote = Nomination impossible dans « { $group } » : { $names }. { $reason }
change-failed-demote = Toujours admin de « { $group } » : { $names }. { $reason }
change-failed-rename = « { $group } » garde son nom. { $reason }

## Connexion
connection-connecting = Connexion…
connection-catching-up = Récupération de vos messages…
connection-offline = Vous êtes hors ligne. Vos messages partiront à votre retour.
connection-unreachable = Votre serveur ne répond pas. Vos messages sont conservés et partiront dès qu’il répondra.
connection-busy = Votre serveur est occupé. Vos messages sont conservés ; le prochain essai est automatique.
connection-not-mbolo = Ce qui répond à cette adresse n’est pas un serveur Mbolo de cette version.

## Réglages
settings-open = Réglages
settings-title = Vous
settings-name-save = Enregistrer
settings-name-saved = Votre nom est changé.
settings-language = Langue
settings-theme = Apparence
settings-theme-system = Automatique
settings-theme-light = Clair
settings-theme-dark = Sombre
settings-beacons = Comptage des pannes
settings-beacons-on = Activé
settings-beacons-off = Désactivé
settings-beacons-about = Indique à l’observatoire public combien de fois votre serveur a répondu ou non. Des nombres seulement : ni nom, ni contacts, ni messages.
recovery-open = Phrase de récupération
recovery-title = Votre phrase de récupération
recovery-about = Ces 24 mots sont votre compte. Gardez-les en lieu sûr ; qui les possède peut l’utiliser, et personne ne peut vous les rendre.
recovery-copy = Copier
recovery-copied = Phrase de récupération copiée.
recovery-save = Enregistrer un fichier
recovery-file-head = Phrase de récupération Mbolo. Gardez-la secrète.
recovery-done = Je l’ai conservée
sign-out-open = Se déconnecter
sign-out-title = Retirer votre compte de cet appareil ?
sign-out-about = Toutes les discussions de cet appareil seront supprimées. Sans votre phrase de récupération, vous ne pourrez pas retrouver ce compte.
sign-out-submit = Se déconnecter et supprimer
sheet-close = Fermer

## Quand l’application ne peut pas démarrer
problem-elsewhere-title = Mbolo est ouvert dans un autre onglet
problem-elsewhere = L’autre onglet ne répond pas. Fermez-le, et celui-ci continuera de lui-même.
problem-denied-title = Ce navigateur ne donne pas de stockage à Mbolo
problem-denied = Vos messages sont conservés sur cet appareil, et le navigateur refuse. Quittez la navigation privée ou autorisez les données de site pour cette adresse, puis rechargez.
problem-full-title = Le stockage est plein
problem-full = Il n’y a plus de place sur cet appareil pour vos messages. Libérez de l’espace, puis rechargez. Rien de ce qui était enregistré n’est perdu.
problem-too-new-title = Un Mbolo plus récent a été utilisé ici
problem-too-new = Les messages de cet appareil ont été écrits par une version plus récente. Rechargez pour l’obtenir.
problem-broken-title = Mbolo n’a pas pu ouvrir vos messages
problem-broken = Rechargez la page. Si cela se reproduit, envoyez les détails ci-dessous aux responsables de votre serveur.
problem-reload = Recharger
problem-detail = Détails techniques

## Refus
failure-offline = Il n’y a pas de connexion au serveur. Réessayez une fois en ligne.
failure-no-account = Il n’y a pas de compte sur cet appareil.
failure-already-signed-up = Cet appareil a déjà un compte. Rechargez pour le voir.
failure-handle-taken = Cet identifiant est déjà pris. Essayez-en un autre.
failure-handle-invalid = Un identifiant a de 3 à 35 lettres (a à z), chiffres, _ et . et commence par une lettre.
failure-handle-unknown = Personne n’a cet identifiant sur ce serveur.
failure-invite-invalid = Ce serveur demande un code d’invitation. Entrez celui que l’on vous a donné.
failure-signup-closed = Ce serveur n’accepte pas de nouveaux comptes.
failure-not-a-member = Vous n’êtes pas membre de cette discussion.
failure-not-admin = Seul un admin du groupe peut faire cela.
failure-unknown-room = Cette discussion n’est pas sur cet appareil.
failure-unknown-message = Ce message n’est pas sur cet appareil.
failure-too-long = C’est trop long.
failure-empty = Il n’y a rien à envoyer.
failure-name-needed = Dites comment on doit vous appeler.
failure-group-name-needed = Donnez un nom au groupe.
failure-yourself = C’est votre propre identifiant.
failure-room-full = Le groupe est complet.
failure-already-member = Cette personne est déjà membre.
failure-phrase-invalid = Ces mots ne sont pas une phrase de récupération. Vérifiez l’ordre et l’orthographe.
failure-storage-full = Le stockage de cet appareil est plein. Libérez de l’espace et réessayez.
failure-busy = Le serveur est occupé. Réessayez dans un instant.
failure-no-key-package = Les appareils de cette personne ne sont pas encore joignables. Réessayez plus tard.
failure-unknown-device = Votre serveur ne connaît plus cet appareil. Conservez votre phrase de récupération, déconnectez-vous, puis utilisez-la pour retrouver votre compte ici.
failure-other-cell = Un autre serveur que celui de votre compte répond à cette adresse. Rien ne lui est envoyé. Demandez à ses responsables.
failure-other-version = Votre serveur utilise une autre version de Mbolo. Rechargez la page ; si cela ne suffit pas, dites-le à ses responsables.
failure-account-unknown = C’est bien une phrase de récupération, mais pas celle d’un compte de ce serveur. Vérifiez que vous êtes à la bonne adresse.
failure-too-many-devices = Ce compte est sur autant d’appareils que permis. Utilisez-le sur l’un d’eux.
failure-handle-moved = Cet identifiant appartient à une autre personne que la dernière fois. Demandez son nouvel identifiant à votre contact.
failure-name-invalid = Ce nom contient des caractères invisibles. Tapez-le au lieu de le coller.
failure-not-a-group = C’est une discussion à deux. Créez un groupe pour parler à plusieurs.
failure-last-admin = Un groupe garde au moins un admin. Nommez d’abord quelqu’un d’autre.
failure-change-refused = Le serveur n’a pas accepté le changement.
failure-internal = Cela n’a pas fonctionné. Réessayez. ({ $detail })
failure-interrupted = L’application a été interrompue. Vérifiez si c’est fait, et réessayez sinon.
