Feature: The waiting room

  Rule: Without a pass there are no seats

    Background:
      Given a match is on sale
      And Mina and Jun are logged in

    Scenario: Who did not queue is refused
      Given the match has a waiting room for 10 buyers at a time
      When Mina tries to hold seat 3
      Then Mina is refused with PASS_REQUIRED
      And seat 3 is AVAILABLE on the map

    Scenario: Who queued is let in
      Given the match has a waiting room for 10 buyers at a time
      When Mina joins the queue
      Then Mina is admitted
      When Mina holds seat 3
      Then seat 3 is HOLD on the map

    Scenario: A pass is for one person
      Given the match has a waiting room for 10 buyers at a time
      And Mina joins the queue
      And Mina is admitted
      When Jun tries to hold seat 3
      Then Jun is refused with PASS_REQUIRED

    Scenario: Who leaves gives the pass back
      Given the match has a waiting room for 10 buyers at a time
      And Mina joins the queue
      And Mina is admitted
      When Mina leaves the queue
      And Mina tries to hold seat 3
      Then Mina is refused with PASS_REQUIRED
      When Mina looks for a place in the queue
      Then Mina is refused with NOT_IN_QUEUE

    Scenario: A match without a waiting room
      When Mina tries to join the queue
      Then Mina is refused with QUEUE_OFF
      When Mina tries to watch the queue
      Then Mina is refused with QUEUE_OFF

    Scenario: Who waits is told that the sale has closed
      Given Ada is the administrator
      And the match has a waiting room for 10 buyers at a time
      And Mina watches the queue
      When Ada closes the sale
      Then Mina is told that the match is CLOSED

  Rule: People are let in one after the other

    Background:
      Given a match is on sale
      And Mina, Jun and Sora are logged in
      And the match has a waiting room for 1 buyer at a time
      And Mina joins the queue
      And Mina is admitted
      And Jun joins the queue
      And Sora joins the queue

    Scenario: Those behind wait
      Then Jun still waits, with 0 ahead
      And Sora still waits, with 1 ahead
      When Jun tries to hold seat 3
      Then Jun is refused with PASS_REQUIRED

    Scenario: Who comes back keeps the place
      When Jun joins the queue
      Then Jun still waits, with 0 ahead
      And Jun keeps the number

    Scenario: Who leaves makes room
      When Mina leaves the queue
      Then Jun is admitted
      And Sora still waits, with 0 ahead

    Scenario: Who has bought makes room
      When Mina holds seat 3
      And Mina reserves them
      And Mina pays for them
      Then Jun is admitted
      When Mina tries to hold seat 4
      Then Mina is refused with PASS_REQUIRED

    Scenario: Who waits sees the line move
      Given Sora watches the queue
      When Mina leaves the queue
      Then Sora sees the number being served reach that of Jun

  Rule: The administrator decides when the doors open

    Background:
      Given a match is on sale
      And Mina is logged in

    Scenario: While it is paused nobody is let in
      Given the match has a waiting room that is paused
      When Mina joins the queue
      Then Mina still waits, with 0 ahead
      When Mina tries to hold seat 3
      Then Mina is refused with PASS_REQUIRED
      When the waiting room goes on
      Then Mina is admitted

    Scenario: Before it opens nobody is let in
      Given the match has a waiting room that is still shut
      When Mina joins the queue
      And Mina tries to hold seat 3
      Then Mina is refused with PASS_REQUIRED
      And Mina still waits, with 0 ahead
      When the waiting room goes on
      Then Mina is admitted
