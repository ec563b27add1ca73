# Mbolo in English. Keys are section-element; both languages have the same ones.

## First page
welcome-title = Welcome to Mbolo
welcome-about = Messages that arrive. Choose a handle and you are in: no phone number, no e-mail.
welcome-invited = @{ $handle } invites you to chat. Choose a handle and you are in.
sign-up-handle = Handle
sign-up-handle-hint = How people find you: letters, digits, _ and .
sign-up-name = Your name
sign-up-invite = Invite code
sign-up-submit = Create account
sign-up-busy = Creating your account…
sign-up-recover = I have an account already
recover-phrase = Recovery phrase
recover-hint = The 24 words you saved, in order.
recover-submit = Use my account here
recover-back = Create a new account
recover-done = Your account is on this device now. Your chats are coming back.

## Chat list
chats-label = Chats
chats-divider = Width of the chat list
chats-search = Find a chat
chats-none-found = No chat has this name.
chats-link-unread = { $name }, { $count ->
    [one] { $count } unread message
   *[other] { $count } unread messages
}
preview-empty = No messages yet
preview-joining = Being set up
preview-unreadable = A message that cannot be shown
preview-you = You: { $text }
preview-person = { $name }: { $text }
recovery-remind-label = Recovery phrase
recovery-remind = Save your recovery phrase. It brings your account back if you lose this device.
recovery-remind-view = View
recovery-remind-later = Later

## New chat, new group
new-chat-open = New chat
new-chat-title = New chat
new-chat-handle = Handle or link
new-chat-hint = For example awa, or a link that someone sent you.
new-chat-submit = Start chat
new-chat-scan = Scan a QR code
new-chat-own = Show my QR code
group-unnamed = Group without a name
group-of = { $names }
group-of-more = { $count ->
    [one] { $names } and { $count } more
   *[other] { $names } and { $count } more
}
new-group-open = New group
new-group-title = New group
new-group-name = Group name
new-group-submit = Create group
picker-label = Members
picker-hint = Type a handle and press Enter. More people can be added later.
picker-remove = Remove @{ $handle }
picker-invalid = “{ $text }” is not a handle. A handle has 3 to 35 letters (a to z), digits, _ and . and begins with a letter.
picker-nobody = Choose someone first: type a handle and press Enter.
picker-known = People you chat with
add-member-open = Add member
add-member-title = Add members
add-member-submit = Add to the group
scan-label = Camera
scan-hint = Point the camera at a Mbolo QR code.
scan-refused = The camera is not available. You can type the handle instead.
forward-title = Forward to
forward-done = Sent on.

## Invite
invite-label = Invite
invite-title = Say mbolo to someone
invite-about = Whoever opens your link or scans your code can write to you.
invite-qr = QR code with your link
invite-copy = Copy link
invite-share = Share
invite-copied = Link copied.
invite-message = Chat with me on Mbolo:
invite-or = Do you know someone’s handle?
invite-start = Start a chat
invited-title = Write to @{ $handle }?
invited-about = They will see this chat at once, with your name, { $name }, and your handle, @{ $handle }: before you have written anything.
invited-keep = Not now

## Conversation
conversation-none = Choose a chat.
conversation-unknown = This chat is not on this device.
conversation-back = Back to chats
conversation-empty = No messages yet. Write the first one.
conversation-beginning = Messages are end-to-end encrypted. Only the people in this chat can read them.
conversation-waiting = Being brought up to date…
conversation-joining = This chat is being set up. You can write already.
conversation-left = You have left this group. You can still read it.
conversation-removed = You were removed from this group. You can still read what came before.
messages-label = Messages
messages-unread = Unread messages
day-today = Today
day-yesterday = Yesterday
jump-latest = Jump to the latest message
jump-latest-count = { $count ->
    [one] Jump to the latest message, { $count } new
   *[other] Jump to the latest message, { $count } new
}
typing-one = { $name } is typing…
typing-two = { $first } and { $second } are typing…
typing-many = { $count } people are typing…

## Messages
message-you = You
message-name = { $sender }, { $time }
message-name-state = { $sender }, { $time }, { $state }
message-edited = edited
message-deleted = This message was deleted.
message-undecryptable = This message could not be decrypted on this device. It was asked for again.
message-newer-version = This message needs a newer version of Mbolo. Reload the app to get it.
message-quote-gone = Message not available
message-failed = Not sent.
message-retry = Try again
message-actions = Message actions
message-copied = Message copied.
action-reply = Reply
action-react = React
action-edit = Edit
action-delete = Delete
delete-title = Delete this message?
delete-about = It is deleted for everyone in this chat, on all their devices.
delete-keep = Keep
delete-submit = Delete
action-forward = Forward
action-copy = Copy
action-info = Info
reaction-name = { $emoji } from { $names }
reaction-other = Another emoji
copy-refused = The browser did not allow copying.
state-waiting = Waiting
state-sent = Sent
state-delivered = Delivered
state-read = Read
state-failed = Failed
info-title = Message info
info-read = Read by
info-delivered = Delivered to
info-waiting = Not yet delivered to

## Composer
composer-label = Message
composer-placeholder = Write a message
composer-send = Send
composer-replying = Reply to { $name }
composer-editing = Edit message
composer-cancel = Cancel
composer-too-long = This is too long for one message. Please shorten it, or send it in parts.

## Details
details-open-group = Group details
details-open-person = Chat details
details-group = Group details
details-person = Chat details
details-close = Close details
details-encrypted = End-to-end encrypted. The server sees neither messages nor names.
details-name = Group name
details-rename = Rename
members-label = Members
members-count = { $count ->
    [one] { $count } member
   *[other] { $count } members
}
members-you = { $name } (you)
members-admin = Admin
members-promote = Make admin
members-promote-name = Make admin: { $name }
members-demote = Take back admin
members-demote-name = Take back admin: { $name }
members-remove = Remove
members-remove-name = Remove { $name }
remove-title = Remove { $name } from the group?
remove-about = They keep what they have, and get no more messages from this group.
remove-keep = Keep
remove-submit = Remove
leave-open = Leave group
leave-title = Leave this group?
leave-about = You will get no more messages from it. What you have stays on this device.
leave-stay = Stay
leave-submit = Leave

## Events in a room
event-created = { $own ->
    [yes] You created the group
   *[no] { $who } created the group
}
event-added = { $own ->
    [yes] You added { $names }
   *[no] { $who } added { $names }
}
event-added-you = { $who } added you
event-added-you-and = { $who } added you, with { $names }
event-removed = { $own ->
    [yes] You removed { $name }
   *[no] { $who } removed { $name }
}
event-removed-you = { $who } removed you
event-left = { $own ->
    [yes] You left the group
   *[no] { $who } left the group
}
event-promoted = { $own ->
    [yes] You made { $name } an admin
   *[no] { $who } made { $name } an admin
}
event-promoted-you = { $who } made you an admin
event-promoted-itself = { $own ->
    [yes] You are now an admin
   *[no] { $name } is now an admin
}
event-demoted = { $own ->
    [yes] You took back { $name }’s admin role
   *[no] { $who } took back the admin role of { $name }
}
event-demoted-you = { $who } took back your admin role
event-demoted-itself = { $own ->
    [yes] You are no longer an admin
   *[no] { $name } is no longer an admin
}
event-renamed = { $own ->
    [yes] You named the group “{ $name }”
   *[no] { $who } named the group “{ $name }”
}

## Changes of a group that will not happen
change-failed-add = Not added to “{ $group }”: { $names }. { $reason }
change-failed-remove = Not removed from “{ $group }”: { $names }. { $reason }
change-failed-promote = Not made an admin of “{ $group }”: { $names }. { $reason }
change-failed-demote = Still an admin of “{ $group }”: { $names }. { $reason }
change-failed-rename = “{ $group }” keeps its name. { $reason }

## Connection
connection-connecting = Connecting…
connection-catching-up = Getting your messages…
connection-offline = You are offline. Your messages will go out when you are back.
connection-unreachable = Your server does not answer. Your messages are kept and go out as soon as it does.
connection-busy = Your server is busy. Your messages are kept; the next try is automatic.
connection-not-mbolo = What answers at this address is not a Mbolo server of this version.

## Settings
settings-open = Settings
settings-title = You
settings-name-save = Save
settings-name-saved = Your name is changed.
settings-language = Language
settings-theme = Appearance
settings-theme-system = Automatic
settings-theme-light = Light
settings-theme-dark = Dark
settings-beacons = Outage counts
settings-beacons-on = On
settings-beacons-off = Off
settings-beacons-about = Tells the public observatory how often your server was reached and how often not. Counts only: no name, no contacts, no messages.
recovery-open = Recovery phrase
recovery-title = Your recovery phrase
recovery-about = These 24 words are your account. Keep them somewhere safe; whoever has them can use it, and nobody can give them back to you.
recovery-copy = Copy
recovery-copied = Recovery phrase copied.
recovery-save = Save as a file
recovery-file-head = Mbolo recovery phrase. Keep it secret.
recovery-done = I have kept it
sign-out-open = Sign out
sign-out-title = Remove your account from this device?
sign-out-about = All chats on this device are deleted. Without your recovery phrase you cannot come back to this account.
sign-out-submit = Sign out and delete
sheet-close = Close

## When the app cannot start
problem-elsewhere-title = Mbolo is open in another tab
problem-elsewhere = The other tab does not answer. Close it, and this one goes on by itself.
problem-denied-title = This browser gives Mbolo no storage
problem-denied = Your messages are kept on this device, and the browser refuses. Leave private browsing or allow site data for this address, then reload.
problem-full-title = The storage is full
problem-full = There is no space left on this device for your messages. Free some space, then reload. Nothing that was saved is lost.
problem-too-new-title = A newer Mbolo was used here
problem-too-new = The messages on this device were written by a newer version. Reload to get it.
problem-broken-title = Mbolo could not open your messages
problem-broken = Please reload. If it happens again, send the details below to the people who run your server.
problem-reload = Reload
problem-detail = Technical details

## Refusals
failure-offline = There is no connection to the server. Try again when you are online.
failure-no-account = There is no account on this device.
failure-already-signed-up = This device has an account already. Reload to see it.
failure-handle-taken = Someone has this handle already. Try another.
failure-handle-invalid = A handle has 3 to 35 letters (a to z), digits, _ and . and begins with a letter.
failure-handle-unknown = Nobody on this server has this handle.
failure-invite-invalid = This server asks for an invite code. Enter the one you were given.
failure-signup-closed = This server takes no new accounts.
failure-not-a-member = You are not a member of this chat.
failure-not-admin = Only an admin of the group can do this.
failure-unknown-room = This chat is not on this device.
failure-unknown-message = This message is not on this device.
failure-too-long = This is too long.
failure-empty = There is nothing to send.
failure-name-needed = Say what people shall call you.
failure-group-name-needed = Give the group a name.
failure-yourself = This is your own handle.
failure-room-full = The group is full.
failure-already-member = They are a member already.
failure-phrase-invalid = These words are not a recovery phrase. Check the order and the spelling.
failure-storage-full = The storage of this device is full. Free some space and try again.
failure-busy = The server is busy. Try again in a moment.
failure-no-key-package = This person’s devices cannot be reached yet. Try again later.
failure-unknown-device = Your server does not know this device any more. Save your recovery phrase, sign out, and use your account here again with it.
failure-other-cell = Another server answers at this address than the one your account is on. Nothing is sent to it. Please ask the people who run it.
failure-other-version = Your server speaks another version of Mbolo. Reload the page; if that does not help, tell the people who run it.
failure-account-unknown = This is a recovery phrase, but not of an account on this server. Check that you are at the right address.
failure-too-many-devices = This account is on as many devices as it may have. Use it on one of those.
failure-handle-moved = This handle belongs to someone else than when you last saw it. Ask the person for their new handle.
failure-name-invalid = This name has characters that cannot be seen. Please type it instead of pasting it.
failure-not-a-group = This is a chat of two. Make a group to talk with more people.
failure-last-admin = A group keeps at least one admin. Make someone else an admin first.
failure-change-refused = The server did not accept the change.
failure-internal = That did not work. Please try again. ({ $detail })
failure-interrupted = The app was interrupted. See whether it happened, and try again if not.
