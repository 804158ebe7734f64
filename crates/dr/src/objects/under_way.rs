//! Work under way: it begins as it comes, some at once.

use std::future::Future;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

/// What has begun and not ended.
pub(super) struct UnderWay<R> {
    running: JoinSet<R>,
    more: bool,
}

impl<R: Send + 'static> UnderWay<R> {
    pub(super) fn new() -> Self {
        Self {
            running: JoinSet::new(),
            more: true,
        }
    }

    /// What ends next; `None` when nothing is under way and nothing more will come. What comes meanwhile begins, as
    /// long as fewer than `limit` are under way: one that takes long keeps nobody waiting. `begin` may refuse.
    pub(super) async fn next<T, F>(
        &mut self,
        coming: &mut mpsc::Receiver<T>,
        limit: usize,
        mut begin: impl FnMut(T) -> Option<F>,
    ) -> Option<Result<R, JoinError>>
    where
        F: Future<Output = R> + Send + 'static,
    {
        while self.more || !self.running.is_empty() {
            let room = self.running.len() < limit.max(1);
            tokio::select! {
                next = coming.recv(), if self.more && room => match next {
                    Some(item) => {
                        if let Some(work) = begin(item) {
                            self.running.spawn(work);
                        }
                    }
                    None => self.more = false,
                },
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    return Some(ended);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    /// Work number 0 waits for the gate.
    async fn work(number: u32, gate: Arc<Semaphore>) -> u32 {
        if number == 0 {
            let _ = gate.acquire().await;
        }
        number
    }

    #[tokio::test(start_paused = true)]
    async fn next_beside_work_that_takes_long_does_not_wait_for_it() {
        let gate = Arc::new(Semaphore::new(0));
        let (sender, mut coming) = mpsc::channel(8);
        let mut under_way = UnderWay::new();
        let begin = |number| Some(work(number, gate.clone()));
        sender.send(0).await.unwrap();
        sender.send(1).await.unwrap();
        assert_eq!(
            under_way
                .next(&mut coming, 2, begin)
                .await
                .unwrap()
                .unwrap(),
            1
        );
        let (ended, ()) = tokio::join!(
            tokio::time::timeout(
                Duration::from_secs(60),
                under_way.next(&mut coming, 2, begin)
            ),
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                sender.send(2).await.unwrap();
            }
        );
        assert_eq!(ended.expect("it has begun").unwrap().unwrap(), 2);
        // With one under way there is no room for another.
        sender.send(3).await.unwrap();
        let next = under_way.next(&mut coming, 1, begin);
        let ended = tokio::time::timeout(Duration::from_secs(60), next).await;
        assert!(ended.is_err());
        gate.add_permits(1);
        drop(sender);
        let mut rest = Vec::new();
        while let Some(ended) = under_way.next(&mut coming, 2, begin).await {
            rest.push(ended.unwrap());
        }
        rest.sort_unstable();
        assert_eq!(rest, [0, 3]);
    }

    #[tokio::test]
    async fn next_of_refused_work_does_not_begin_it() {
        let (sender, mut coming) = mpsc::channel(8);
        let mut under_way = UnderWay::new();
        for number in 1..=3 {
            sender.send(number).await.unwrap();
        }
        drop(sender);
        let gate = Arc::new(Semaphore::new(0));
        let begin = |number| (number == 2).then(|| work(number, gate.clone()));
        assert_eq!(
            under_way
                .next(&mut coming, 8, begin)
                .await
                .unwrap()
                .unwrap(),
            2
        );
        assert!(under_way.next(&mut coming, 8, begin).await.is_none());
    }
}
