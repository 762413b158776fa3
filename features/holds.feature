Feature: Holds

  Rule: Nobody else can hold seats that somebody holds

    Background:
      Given a match is on sale
      And Mina and Jun are logged in

    Scenario: A hold has a price and a deadline
      When Mina holds seats 9 and 21
      Then Mina's hold costs 30,000 won and lasts 5 minutes
      And Mina's tickets will say "Infield Home 101, row 1, seat 9; Infield Home 102, row 1, seat 1"
      And seats 9 and 21 are held on the map

    Scenario: A hold gets all of its seats or none
      Given Mina holds seat 4
      When Jun tries to hold seats 3, 4 and 5
      Then Jun is refused because a seat is taken
      And Jun is told that seat 4 is gone
      And seats 3 and 5 are free on the map

    Scenario: Fans who ask for their own seats learn that they have them already
      Given Mina holds seats 3 and 4
      When Mina tries to hold seats 4 and 5
      Then Mina is refused because she already holds one of the seats
      And seat 5 is free on the map
      When Mina reserves them
      And Mina tries to hold seat 3
      Then Mina is refused because the seats are already reserved

    Scenario: Two people want one seat at the same time
      When Mina and Jun try to hold seat 7 at the same time
      Then exactly one of them succeeds, and the others are refused because a seat is taken
      And seat 7 is held on the map

    Scenario: A crowd wants the same two seats at the same time
      When 10 other people try to hold seats 7 and 8 at the same time
      Then exactly one of them succeeds, and the others are refused because a seat is taken

    Scenario: A seat that the site does not have
      When Mina tries to hold seats 25 and 26
      Then Mina is refused because the site has no such seat
      And seat 25 is free on the map

    Scenario: The same seat twice
      When Mina tries to hold seats 5, 6 and 5
      Then Mina is refused because a field is wrong
      And Mina is told what is wrong with:
        | seatIds[2] |

    Scenario: One seat with one click
      When Mina holds seat 9 with one click
      Then seat 9 is held on the map
      When Jun tries to give seat 9 back with one click
      Then Jun is refused because these are not his seats
      When Mina gives seat 9 back with one click
      Then seat 9 is free on the map

    Scenario: One seat out of two is given back
      Given Mina holds seats 1 and 2
      When Mina gives seat 1 back with one click
      Then seat 1 is free on the map
      And seat 2 is held on the map
      When Mina reserves them
      Then Mina's reservation has seat 2 for 10,000 won

    Scenario: Holds can be looked up on every device
      Given Mina holds seats 3 and 4
      And Mina holds seat 9
      When Mina looks up what she holds
      Then Mina's holds are of seats 3, 4 and 9
      When Jun looks up what he holds
      Then Jun holds nothing
      When Mina gives the seats back
      And Mina looks up what she holds
      Then Mina's holds are of seats 3 and 4
      When Mina reserves only seats 3 and 4
      And Mina looks up what she holds
      Then Mina holds nothing

  Rule: A hold can be given back, by its owner

    Background:
      Given a match is on sale
      And Mina and Jun are logged in
      And Mina holds seats 3 and 4

    Scenario: The seats are free for the next fan
      When Mina gives the seats back
      Then seats 3 and 4 are free on the map
      When Jun holds seats 3 and 4
      Then seats 3 and 4 are held on the map

    Scenario: Giving seats back twice has no further effect
      When Mina gives the seats back
      And Jun holds seat 3
      And Mina gives the seats back
      Then seat 3 is held on the map

    Scenario: Someone else's hold
      When Jun tries to give back the seats of Mina
      Then Jun is refused because these are not his seats
      And seats 3 and 4 are held on the map

    Scenario: Reserved seats are no hold any more
      Given Mina reserves them
      When Mina tries to give the seats back
      Then Mina is refused because the seats are already reserved
      And seats 3 and 4 are reserved on the map

  Rule: A hold ends at its deadline, and not before

    Background:
      Given a hold lasts 2.5 seconds
      And a match is on sale
      And Mina and Jun are logged in

    Scenario: The map shows it within about a second
      Given Jun watches block 1
      When Mina holds seat 3
      Then Jun's map shows seat 3 as held
      And Jun's map shows seat 3 as free about a second after Mina's deadline

    Scenario: A fan who reserves too late has lost the seats
      When Mina holds seats 3 and 4
      And the time of Mina's hold is over
      And Mina tries to reserve them
      Then Mina is refused because the hold has expired

    Scenario: An expired hold cannot be looked up
      When Mina holds seats 3 and 4
      And the time of Mina's hold is over
      And Mina looks up what she holds
      Then Mina holds nothing

    Scenario: The next fan gets the seats
      When Mina holds seats 3 and 4
      And the time of Mina's hold is over
      And Jun holds seats 3 and 4
      And Mina tries to reserve seats 3 and 4
      Then Mina is refused because these are not her seats

    Scenario: A reservation in time outlives the hold
      When Mina holds seat 3
      And Mina reserves them
      And the time of Mina's hold is over
      Then seat 3 is reserved on the map

  Rule: Who lets holds expire waits for a while before the next one

    Scenario: A cool-down after a hold that nobody paid
      Given a hold lasts 0.5 seconds
      And 1 unpaid hold begins a cool-down
      And a match is on sale
      And Mina and Jun are logged in
      When Mina holds seat 3
      And the time of Mina's hold is over
      And Mina tries to hold seat 3
      Then Mina is refused because too many holds ended unpaid
      And Mina is asked to come back later
      When Jun holds seat 3
      Then seat 3 is held on the map

  Rule: Nobody has more seats than the limit

    Background:
      Given one person may have 3 seats
      And a match is on sale
      And Mina is logged in

    Scenario: Too many at once
      When Mina tries to hold seats 1, 2, 3 and 4
      Then Mina is refused because these would be too many seats
      And seats 1, 2, 3 and 4 are free on the map

    Scenario: Too many one after the other
      Given Mina holds seats 1 and 2
      When Mina tries to hold seats 3 and 4
      Then Mina is refused because these would be too many seats
      When Mina holds seat 3
      Then seat 3 is held on the map

    Scenario: Too many at the same time
      When Mina tries to hold each of the seats 1, 2, 3, 4, 5, 6, 7 and 8 at the same time
      Then 3 of the attempts succeed

    Scenario: Bought seats count
      Given Mina has bought seats 1 and 2
      When Mina tries to hold seats 3 and 4
      Then Mina is refused because these would be too many seats

    Scenario: Seats that were given back do not count
      Given Mina holds seats 1, 2 and 3
      When Mina gives the seats back
      And Mina holds seats 4, 5 and 6
      Then seats 4, 5 and 6 are held on the map

  Rule: A repeated call has its effect once

    Background:
      Given a match is on sale
      And Mina and Jun are logged in

    Scenario: The same call gives the same hold
      When Mina holds seats 3 and 4 under the key "try-1"
      And Mina holds seats 3 and 4 under the key "try-1"
      Then Mina has one and the same hold

    Scenario: The same call ten times at once
      When Mina holds seats 3 and 4 under the key "try-1" 10 times at once
      Then Mina has one and the same hold

    Scenario: Other seats under the same key
      When Mina holds seats 3 and 4 under the key "try-1"
      And Mina tries to hold seats 5 and 6 under the key "try-1"
      Then Mina is refused because the key belongs to another request
      And seats 5 and 6 are free on the map

    Scenario: A key belongs to one person
      When Mina holds seat 3 under the key "try-1"
      And Jun holds seat 5 under the key "try-1"
      Then seats 3 and 5 are held on the map
