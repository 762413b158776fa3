//! The connections of a client. A person has a connection while their requests follow each other,
//! and gives it back while they think or wait.

use crate::crew::SharedCrew;
use crate::scenario::person::Person;
use crate::schedule::{Arrival, Schedule};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// The connections that nobody uses.
pub(crate) struct Pool {
    idle: Mutex<Vec<Person>>,
    permits: Semaphore,
    /// Those whose journey has begun and has not ended.
    pub(crate) under_way: TaskTracker,
}

impl Pool {
    /// Returns as many connections as the run has. They open when they are used.
    pub(crate) fn new(crew: &SharedCrew) -> Arc<Self> {
        let count = crew.numbers.connections;
        let idle = (0..count).map(|_| Person::new(crew, 0)).collect();
        let permits = Semaphore::new(count);
        Arc::new(Self { idle: Mutex::new(idle), permits, under_way: TaskTracker::new() })
    }

    /// Waits for a free connection. Those who wait get it in their order.
    pub(crate) async fn take(&self, number: usize) -> Person {
        loop {
            if let Ok(permit) = self.permits.acquire().await {
                permit.forget();
            }
            if let Some(mut person) = self.idle.lock().pop() {
                person.number = number;
                return person;
            }
        }
    }

    /// Gives a connection back.
    pub(crate) fn put(&self, person: Person) {
        self.idle.lock().push(person);
        self.permits.add_permits(1);
    }

    /// Starts the journey of each person who arrives, once there is a connection, and waits for the
    /// end of all journeys.
    pub(crate) async fn serve<F>(
        self: &Arc<Self>,
        schedule: &Schedule,
        journey: impl Fn(Person, Arrival) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let mut person = self.take(0).await;
            let Some(arrival) = schedule.next().await else {
                self.put(person);
                break;
            };
            person.number = arrival.number as usize;
            self.under_way.spawn(journey(person, arrival));
        }
        self.under_way.close();
        self.under_way.wait().await;
    }
}
