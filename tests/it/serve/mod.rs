//! The collector as a process: what it takes, answers, refuses and survives.

mod client; // the least HTTP that asks it
mod collecting; // activities come in, and questions are answered
mod docs; // what the page says, held against the program
mod explorer; // its page, and what that asks
mod forgetting; // who is forgotten is in neither log nor store
mod hostile; // requests that mean ill
mod kills; // killed under load: what was acknowledged is there, once
mod load; // how much it takes, beside a plain loop of appends and syncs
mod openapi; // the description, held against the routes
mod streaming; // the changes as they come
mod vendors; // the protocols of others, without their SDKs
