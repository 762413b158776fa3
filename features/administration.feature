Feature: Administration

  Rule: Only an administrator runs the sale

    Scenario: A fan
      Given a match is on sale
      And Mina is logged in
      Then Mina may do nothing of an administrator's: FORBIDDEN
      And the match is OPEN

    Scenario: A visitor
      Given a match is on sale
      And Jun is a visitor
      Then Jun may do nothing of an administrator's: UNAUTHORIZED
      And the match is OPEN

  Rule: A plan is taken or refused as a whole

    Background:
      Given Ada is the administrator

    Scenario: A good plan
      When Ada makes the site "New Park"
      Then Ada finds 1 site in the list
      When Ada takes the site away again
      Then Ada finds 0 sites in the list

    Scenario: Every mistake is told, and nothing is taken
      When Ada tries to make a site with several mistakes
      Then Ada is refused with VALIDATION
      And Ada is told what is wrong with:
        | /grades/0/price                                         |
        | /areas/0/sections/0/blocks/1/grade                      |
        | /areas/0/sections/0/blocks/0/rows/1/firstSeatId         |
      And Ada finds 0 sites in the list

    Scenario: A call that is sent again has its effect once
      When Ada makes the same site twice under the key "site-1"
      Then Ada finds 1 site in the list

  Rule: A match goes from draft to open to closed

    Background:
      Given a match is still a draft
      And Ada is the administrator

    Scenario: Open and close
      Then the match is DRAFT
      When Ada opens the sale
      Then the match is OPEN
      When Ada tries to open the sale
      Then Ada is refused with MATCH_ALREADY_OPEN
      When Ada closes the sale
      Then the match is CLOSED
      When Ada tries to close the sale
      Then Ada is refused with MATCH_NOT_OPEN

    Scenario: A draft can be changed and taken away
      When Ada moves the match to "2030-05-06T09:30:00Z" with "KIA Tigers" as the guest
      And Ada takes the match away
      Then nobody finds the match any more

    Scenario: What is on sale stays
      When Ada opens the sale
      And Ada tries to take the match away
      Then Ada is refused with MATCH_ON_SALE
      When Ada tries to change the site of the match
      Then Ada is refused with SITE_IN_USE
      When Ada tries to take the site of the match away
      Then Ada is refused with SITE_IN_USE

  Rule: Blocked seats are not for sale

    Background:
      Given a match is on sale
      And Ada is the administrator
      And Mina is logged in

    Scenario: Block and unblock
      Given Mina watches block 1
      When Ada blocks seats 1, 2 and 3
      Then Mina's map shows seats 1, 2 and 3 as BLOCKED
      When Mina tries to hold seats 3 and 4
      Then Mina is refused with SEAT_TAKEN
      And Mina is told that seat 3 is gone
      When Ada unblocks seats 1, 2 and 3
      Then Mina's map shows seats 1, 2 and 3 as AVAILABLE
      When Mina holds seats 3 and 4
      Then seats 3 and 4 are HOLD on the map

    Scenario: What someone holds can't be blocked
      Given Mina holds seat 3
      When Ada tries to block seats 2 and 3
      Then Ada is refused with SEAT_TAKEN
      And seat 2 is AVAILABLE on the map
      And seat 3 is HOLD on the map

    Scenario: What is sold can't be blocked
      Given Mina has bought seat 3
      When Ada tries to block seats 2 and 3
      Then Ada is refused with SEAT_TAKEN
      And seat 3 is OCCUPIED on the map
