Feature: The waiting room

  Rule: Without a pass there are no seats

    Background:
      Given a match is on sale
      And Mina and Jun are logged in

    Scenario: A fan who did not queue is refused
      Given the match has a waiting room for 10 buyers at a time
      When Mina tries to hold seat 3
      Then Mina is refused because a pass is needed to hold seats
      And seat 3 is free on the map

    Scenario: A fan who queued is let in
      Given the match has a waiting room for 10 buyers at a time
      When Mina joins the queue
      Then Mina is admitted
      When Mina holds seat 3
      Then seat 3 is held on the map

    Scenario: A pass is for one person
      Given the match has a waiting room for 10 buyers at a time
      And Mina joins the queue
      And Mina is admitted
      When Jun tries to hold seat 3
      Then Jun is refused because a pass is needed to hold seats

    Scenario: A fan who leaves the queue gives the pass back
      Given the match has a waiting room for 10 buyers at a time
      And Mina joins the queue
      And Mina is admitted
      When Mina leaves the queue
      And Mina tries to hold seat 3
      Then Mina is refused because a pass is needed to hold seats
      When Mina looks for a place in the queue
      Then Mina is refused because she is not in the queue

    Scenario: A match without a waiting room
      When Mina tries to join the queue
      Then Mina is refused because the match has no waiting room
      When Mina tries to watch the queue
      Then Mina is refused because the match has no waiting room

    Scenario: Waiting fans are told that the sale has closed
      Given Ada is the administrator
      And the match has a waiting room for 10 buyers at a time
      And Mina watches the queue
      When Ada closes the sale
      Then Mina is told that the match is closed

  Rule: People are let in one after the other

    Background:
      Given a match is on sale
      And Mina, Jun and Sora are logged in
      And the match has a waiting room for 1 buyer at a time
      And Mina joins the queue
      And Mina is admitted
      And Jun joins the queue
      And Sora joins the queue

    Scenario: The others wait in order
      Then Jun still waits, with 0 ahead
      And Sora still waits, with 1 ahead
      When Jun tries to hold seat 3
      Then Jun is refused because a pass is needed to hold seats

    Scenario: A fan who joins again keeps the place
      When Jun joins the queue
      Then Jun still waits, with 0 ahead
      And Jun keeps the number

    Scenario: A fan who leaves makes room
      When Mina leaves the queue
      Then Jun is admitted
      And Sora still waits, with 0 ahead

    Scenario: A fan who has bought makes room
      When Mina holds seat 3
      And Mina reserves them
      And Mina pays for them
      Then Jun is admitted
      When Mina tries to hold seat 4
      Then Mina is refused because a pass is needed to hold seats

    Scenario: Waiting fans see the queue move
      Given Sora watches the queue
      When Mina leaves the queue
      Then Sora sees the number being served reach that of Jun

  Rule: The administrator decides when the doors open

    Background:
      Given a match is on sale
      And Mina is logged in

    Scenario: Nobody is let in while the waiting room is paused
      Given the match has a waiting room that is paused
      When Mina joins the queue
      Then Mina still waits, with 0 ahead
      When Mina tries to hold seat 3
      Then Mina is refused because a pass is needed to hold seats
      When the waiting room starts again
      Then Mina is admitted

    Scenario: Nobody joins before the waiting room opens
      Given the match has a waiting room that opens later
      When Mina tries to join the queue
      Then Mina is refused because the match is not on sale
      When Mina tries to hold seat 3
      Then Mina is refused because a pass is needed to hold seats

    Scenario: A waiting room that is switched off lets everybody in
      Given Ada is the administrator
      And the match has a waiting room that is paused
      And Mina joins the queue
      When Ada switches the waiting room off
      And Mina holds seat 3
      Then seat 3 is held on the map

    Scenario: The organiser lets a fan in by hand, and sends her away
      Given Ada is the administrator
      And the match has a waiting room that is paused
      And Mina joins the queue
      When Ada lets Mina in
      Then Mina is admitted
      When Ada sends Mina away
      And Mina tries to hold seat 3
      Then Mina is refused because a pass is needed to hold seats

    Scenario: The organiser lets the next fans in at once
      Given Ada is the administrator
      And the match has a waiting room that is paused
      And Mina joins the queue
      When Ada lets the next 1 fan in
      Then Mina is admitted

  Rule: Nobody waits for nothing

    Background:
      Given a match is on sale
      And Mina and Jun are logged in

    Scenario: A fan who comes when all seats are taken need not wait
      Given all seats are blocked
      And the match has a waiting room for 10 buyers at a time
      When Mina tries to join the queue
      Then Mina is refused because all seats are taken

    Scenario: A fan who comes after the sale need not wait
      Given Ada is the administrator
      And the match has a waiting room for 10 buyers at a time
      And Ada closes the sale
      When Mina tries to join the queue
      Then Mina is refused because the match is not on sale

  Rule: It does not matter who comes first before the sale

    Background:
      Given Ada is the administrator
      And Mina, Jun and Sora are logged in
      And a match is announced, whose early fans are drawn
      And Mina joins the queue
      And Jun joins the queue
      And Sora joins the queue

    Scenario: Nobody knows the order before the sale
      Then Mina, Jun and Sora have a ticket and no number
      And everybody knows the hash of the seed, and nobody the seed

    Scenario: The order is drawn when the sale opens, and everybody can check it
      When Ada opens the sale
      Then everybody knows the seed, which has the hash that was known before
      And the numbers of Mina, Jun and Sora follow from it
