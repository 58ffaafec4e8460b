"""The dispatcher for many machines: NATS JetStream tells workers which entries are due.

The rows of the database are the truth; the broker only carries "entry N is due", without its
content. Whoever has leased a queue (server.exports.dispatcher) tells the broker of what is due in
it (`relay_lane`); every process takes such messages and makes the attempts (`queue_consumer`).
Retries, generations and logs stay in the database, so a broker that forgets everything delays
exports and loses none.

- One work-queue stream; the subject of a message is its entry, and the stream keeps one message of
  a subject at most. So an entry can be told of again at any time: while its message is there, the
  broker refuses the second one.
- What a message says is checked in the database before an attempt, and what became of the attempt
  is in the database before the message is acknowledged.
- Under `strict` one message of a queue is in hand at a time, among all processes, and whoever has
  it attempts the entries of the queue in their order up to the one that it names: the order of the
  messages does not matter.

Source: design, exports.md section 1.
"""
