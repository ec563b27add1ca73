//! Connections: made, used, reset, half open, closed.

use bytes::Bytes;
use mbolo_cell::SessionId;
use mbolo_client::{Input, TransportFailure};
use mbolo_proto::{decode_client_frame, wire};

use crate::failure::Oracle;
use crate::ledger::Breach;
use crate::network::{Connection, Direction};
use crate::plan::Bug;
use crate::world::{Down, Up, What, World};

impl World {
    pub(crate) fn connect(&mut self, person: usize) -> Result<(), Breach> {
        let now = self.now();
        if self.people[person].connection.is_some() {
            let what = format!("p{person} asks for a second transport");
            return self.check(Err((Oracle::Sound, what)));
        }
        let index = self.connections.len();
        self.connections.push(Connection {
            person,
            session: SessionId(index as u64),
            cell_run: 0,
            person_open: true,
            cell_open: false,
            up: Direction::default(),
            down: Direction::default(),
        });
        self.people[person].connection = Some(index);
        let reachable = self.people[person].online;
        if reachable {
            if let Some(at) = self.connections[index].up.send(now, &self.network, &mut self.net) {
                self.queue.at(at, What::ToCell { connection: index, packet: Up::Opened });
            }
        } else {
            let packet = Down::Closed(TransportFailure::Unreachable);
            self.queue.after(200, What::ToPerson { connection: index, packet });
        }
        Ok(())
    }

    pub(crate) fn send_up(&mut self, index: usize, frame: Bytes) {
        let now = self.now();
        if self.options.bug == Some(Bug::Overtaking) && is_publish(&frame) {
            match self.held_back.take() {
                None => {
                    self.held_back = Some((index, frame));
                    return;
                }
                Some((held, first)) => {
                    self.send_up_now(index, frame, now);
                    self.send_up_now(held, first, now);
                    return;
                }
            }
        }
        self.send_up_now(index, frame, now);
    }

    pub(crate) fn send_up_now(&mut self, index: usize, frame: Bytes, now: u64) {
        if let Some(at) = self.connections[index].up.send(now, &self.network, &mut self.net) {
            self.queue.at(at, What::ToCell { connection: index, packet: Up::Frame(frame) });
        }
        if !self.healing && self.net.chance(self.network.resets) {
            self.reset(index);
        }
    }

    /// Both ends lose the connection; what is on its way may or may not arrive.
    pub(crate) fn reset(&mut self, index: usize) {
        let now = self.now();
        let connection = &mut self.connections[index];
        self.trace.line(now, format_args!("s{} reset", connection.session.0));
        connection.up.lose_from(now + self.net.below(100));
        connection.down.lose_from(now + self.net.below(100));
        let (up, down) = (self.net.between(100, 2_000), self.net.between(100, 2_000));
        self.queue.after(up, What::ToCell { connection: index, packet: Up::Closed });
        let packet = Down::Closed(TransportFailure::Closed);
        self.queue.after(down, What::ToPerson { connection: index, packet });
    }

    /// One direction dies in silence; both ends hear of it late, if the engines do not notice before.
    pub(crate) fn half_open(&mut self, index: usize) {
        let now = self.now();
        let connection = &mut self.connections[index];
        self.trace.line(now, format_args!("s{} half open", connection.session.0));
        if self.net.chance(0.6) {
            connection.up.lose_from(now);
        }
        if self.net.chance(0.6) {
            connection.down.lose_from(now);
        }
        let (up, down) = (self.net.between(10_000, 300_000), self.net.between(10_000, 300_000));
        self.queue.after(up, What::ToCell { connection: index, packet: Up::Closed });
        let packet = Down::Closed(TransportFailure::Closed);
        self.queue.after(down, What::ToPerson { connection: index, packet });
    }

    pub(crate) fn reaches_person(&mut self, index: usize, packet: Down) -> Result<(), Breach> {
        let now = self.now();
        let connection = &mut self.connections[index];
        let person = connection.person;
        if !connection.person_open || self.people[person].connection != Some(index) {
            return Ok(());
        }
        match packet {
            Down::Connected | Down::Frame(_) if connection.down.is_lost(now) => Ok(()),
            Down::Connected => {
                self.trace.line(now, format_args!("s{} connected, p{person}", connection.session.0));
                self.input(person, Input::Connected)
            }
            Down::Frame(bytes) => {
                self.trace.bytes(now, format_args!("s{} to p{person}", connection.session.0), &bytes);
                self.input(person, Input::Frame(bytes))
            }
            Down::Closed(failure) => {
                self.trace
                    .line(now, format_args!("s{} closed at p{person}: {failure:?}", connection.session.0));
                connection.person_open = false;
                self.people[person].connection = None;
                let delay = self.net.between(1, 1_000);
                self.queue.after(delay, What::ToCell { connection: index, packet: Up::Closed });
                self.input(person, Input::Disconnected(failure))
            }
        }
    }
}

fn is_publish(frame: &Bytes) -> bool {
    let body = decode_client_frame(frame.clone()).ok().and_then(|frame| frame.body);
    matches!(body, Some(wire::client_frame::Body::Publish(_)))
}
