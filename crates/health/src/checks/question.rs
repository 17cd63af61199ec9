//! A question to the kernel that may never be answered.

use std::{io, thread};

use tokio::sync::{Mutex, oneshot};

/// Asks on a thread of its own, and not again before there was an answer.
///
/// Not on the runtime's blocking threads: a runtime waits for those when it ends, and has a number of them that others
/// want too.
#[derive(Debug)]
pub(super) struct Question<T> {
    /// Stays in here when whoever waits for it is dropped.
    asked: Mutex<Option<oneshot::Receiver<T>>>,
}

impl<T: Send + 'static> Question<T> {
    /// The answer to this question, or to the one before if that was still open.
    ///
    /// # Cancel safety
    ///
    /// The answer is kept for whoever asks next.
    pub(super) async fn ask(&self, ask: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let mut asked = self.asked.lock().await;
        let answer = match &mut *asked {
            Some(answer) => answer,
            none => none.insert(on_a_thread(ask)?),
        };
        let answer = answer.await;
        *asked = None;
        answer.map_err(|_| io::Error::other("panicked"))
    }
}

impl<T> Default for Question<T> {
    fn default() -> Self {
        Self { asked: Mutex::new(None) }
    }
}

fn on_a_thread<T: Send + 'static>(
    ask: impl FnOnce() -> T + Send + 'static,
) -> io::Result<oneshot::Receiver<T>> {
    let (answer, asked) = oneshot::channel();
    let ask = move || {
        // Where the check is gone, nobody wants to know.
        let _ = answer.send(ask());
    };
    thread::Builder::new().name("macadam-check".to_owned()).spawn(ask)?;
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
            mpsc::sync_channel,
        },
        time::Duration,
    };

    use tokio::time::timeout;

    use super::Question;

    #[tokio::test]
    async fn a_question_that_is_open_is_not_asked_again_and_its_answer_is_kept() {
        let question = Question::default();
        let (answer, answers) = sync_channel(2);
        let (threads, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(answers)));
        let ask = || {
            let (threads, answers) = (Arc::clone(&threads), Arc::clone(&answers));
            question.ask(move || {
                threads.fetch_add(1, SeqCst);
                answers.lock().unwrap().recv().unwrap()
            })
        };

        for _ in 0..3 {
            timeout(Duration::from_millis(1), ask()).await.expect_err("nobody has answered");
        }
        answer.send("late").unwrap();
        assert_eq!(ask().await.unwrap(), "late");
        assert_eq!(threads.load(SeqCst), 1);

        answer.send("new").unwrap();
        assert_eq!(ask().await.unwrap(), "new");
        assert_eq!(threads.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_question_is_a_new_one() {
        let question = Question::default();
        let panicked = question.ask(|| -> u8 { panic!("on purpose") }).await;
        assert_eq!(panicked.unwrap_err().to_string(), "panicked");
        assert_eq!(question.ask(|| 1).await.unwrap(), 1);
    }
}
